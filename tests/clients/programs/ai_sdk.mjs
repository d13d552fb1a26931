// How does the Vercel AI SDK embed? Up to 2048 texts a request.

import { createRequire } from "node:module";
import { given, retries, serve } from "./calling.mjs";

const require = createRequire(import.meta.url);
const { embed, embedMany } = require("ai");
const { createOpenAI } = require("@ai-sdk/openai");

serve((job) => {
  const openai = createOpenAI({ baseURL: job.url, apiKey: job.key });
  return async (call) => {
    const model = openai.embedding(call.model);
    const options = { model, providerOptions: { openai: given(call, "dimensions") }, ...retries(job) };
    if (typeof call.input === "string") return [(await embed({ ...options, value: call.input })).embedding];
    return (await embedMany({ ...options, values: call.input })).embeddings;
  };
});
