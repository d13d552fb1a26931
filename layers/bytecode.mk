# How does what we ship carry its bytecode? Included by every Makefile that `sam build` runs.
#
# Lambda cannot write beside our code, so what is not compiled here is compiled again at every cold start. The
# modification times do not survive SAM's copying and zipping: `unchecked-hash` bytecode is used whatever they are.
# https://docs.python.org/3.13/library/py_compile.html#py_compile.PycInvalidationMode

PYTHON := $(shell sh $(dir $(lastword $(MAKEFILE_LIST)))python313.sh)
ifeq ($(PYTHON),)
$(error nothing was built: the line above says why)
endif

# $(call bytecode,FOLDER,WHERE LAMBDA MOUNTS IT): the second is what tracebacks name, so no build machine's path is shipped.
bytecode = $(PYTHON) -m compileall -q -f -j 0 --invalidation-mode unchecked-hash -s $(1) -p $(2) $(1)
