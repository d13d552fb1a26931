// How does openai-node embed?

import { createRequire } from "node:module";
import { given, retries, serve } from "./calling.mjs";

const { OpenAI } = createRequire(import.meta.url)("openai");

serve((job) => {
  const client = new OpenAI({ baseURL: job.url, apiKey: job.key, ...retries(job) });
  return async (call) => {
    const options = given(call, "dimensions", "encoding_format");
    const answer = await client.embeddings.create({ model: call.model, input: call.input, ...options });
    return answer.data.map((row) => decoded(row.embedding));
  };
});

// Base64 that was asked for by name is passed on as it came.
function decoded(embedding) {
  if (typeof embedding !== "string") return embedding;
  const bytes = Buffer.from(embedding, "base64");
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
