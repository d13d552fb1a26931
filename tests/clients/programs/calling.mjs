// What does a client's program read and write? The same lines as lines.py, for Node.

import { createInterface } from "node:readline";

export async function serve(prepare) {
  for await (const line of createInterface({ input: process.stdin })) {
    const job = JSON.parse(line);
    const embed = prepare(job);
    const outcomes = job.calls.map((call) => embed(call).then(vectors, refusal));
    process.stdout.write(JSON.stringify(await Promise.all(outcomes)) + "\n");
  }
}

// How often to try again, as an option, and none where the client's habit is wanted.
export const retries = (job) => (job.retries === null ? {} : { maxRetries: job.retries });

// Those of these options that the call names.
export const given = (call, ...names) =>
  Object.fromEntries(names.filter((name) => name in call).map((name) => [name, call[name]]));

function vectors(rows) {
  const packed = Buffer.concat(rows.map((row) => Buffer.from(Float32Array.from(row).buffer)));
  return { rows: rows.length, floats: packed.toString("base64") };
}

// The SDK keeps the error in its own fields; the AI SDK keeps the answer, and wraps it where it has tried again.
function refusal(error) {
  const met = error.lastError ?? error;
  const told = met.data?.error ?? met;
  return {
    error: {
      class: met.constructor.name === "_APICallError" ? "APICallError" : met.constructor.name,
      status: met.status ?? met.statusCode ?? null,
      code: told.code ?? null,
      param: told.param ?? null,
      request_id: met.requestID ?? met.responseHeaders?.["x-request-id"] ?? null,
      message: met.message,
    },
  };
}
