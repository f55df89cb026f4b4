// Try a server with npm's clients of OpenAI's and Azure's API; see README.md.

import { deflateSync, crc32 } from "node:zlib";
import { InferenceClient } from "@huggingface/inference";
import OpenAI, { AzureOpenAI, toFile } from "openai";
import { generateImage } from "ai";
import { createAzure } from "@ai-sdk/azure";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";

const [url = "http://127.0.0.1:7860", apiKey = "none"] = process.argv.slice(2);
const SIDE = 128;
const size = `${SIDE}x${SIDE}`;
globalThis.AI_SDK_LOG_WARNINGS = false;
let failures = 0;

async function check(name, call) {
  let problem = "";
  try {
    if (!(await call())) problem = "nothing came back";
  } catch (error) {
    problem = `${error?.name}: ${error?.message}`.slice(0, 300);
  }
  if (problem) failures += 1;
  console.log(`${problem ? "FAILED" : "ok    "} ${name} ${problem}`);
}

/** Return a PNG in one colour with transparency. */
function png(red, green, blue, alpha) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIDE, 0);
  header.writeUInt32BE(SIDE, 4);
  header.set([8, 6, 0, 0, 0], 8);
  const row = Buffer.concat([Buffer.alloc(1), ...Array(SIDE).fill(Buffer.from([red, green, blue, alpha]))]);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const pixels = deflateSync(Buffer.concat(Array(SIDE).fill(row)));
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", pixels), chunk("IEND", Buffer.alloc(0))]);
}

const red = png(255, 0, 0, 255);
const clear = png(0, 0, 0, 0);
const file = (data) => toFile(data, "picture.png", { type: "image/png" });
const few = { prompt: "a red apple", size };
const ask = { ...few, maxRetries: 0 };

const { images, models } = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
await check("openai: generate", async () => (await images.generate(few)).usage.output_tokens);
await check("openai: generate, link", async () => {
  const made = await images.generate({ ...few, response_format: "url", output_format: "webp" });
  const linked = await fetch(made.data[0].url);
  return linked.headers.get("content-type") === "image/webp";
});
await check("openai: generate, stream", async () => {
  const types = [];
  const events = await images.generate({ ...few, stream: true, partial_images: 1 });
  for await (const event of events) types.push(event.type);
  return types.at(-1) === "image_generation.completed";
});
await check("openai: edit, two pictures and a mask", async () => {
  const image = [await file(red), await file(red)];
  return (await images.edit({ ...few, image, mask: await file(clear) })).data.length === 2;
});
await check("openai: variation", async () => (await images.createVariation({ image: await file(red) })).data[0].url);
await check("openai: models", async () => (await models.list()).data[0].id);

const azure = new AzureOpenAI({ endpoint: url, apiKey, apiVersion: "2025-04-01-preview", deployment: "pocket" });
await check("openai: Azure", async () => (await azure.images.generate(few)).data[0].b64_json);

const sdk = createOpenAI({ baseURL: `${url}/v1`, apiKey });
for (const name of ["gpt-image-1", "dall-e-3", "pocket"]) {
  await check(`ai, openai: generate with ${name}`, async () => {
    const made = await generateImage({ ...ask, model: sdk.image(name) });
    return made.images[0].mediaType === "image/png" && made.usage.totalTokens;
  });
}
const compatible = createOpenAICompatible({ name: "sdtui", baseURL: `${url}/v1`, apiKey });
await check("ai, compatible: generate", async () => {
  const providerOptions = { sdtui: { steps: 2, seed: 4 } };
  return (await generateImage({ ...ask, model: compatible.imageModel("pocket"), n: 2, providerOptions })).images[1];
});
for (const model of [sdk.image("gpt-image-1"), compatible.imageModel("pocket")]) {
  await check(`ai, ${model.provider}: edit with a mask`, async () => {
    const prompt = { text: "a red apple", images: [red], mask: clear };
    return (await generateImage({ ...ask, model, prompt })).images[0];
  });
}
for (const useDeploymentBasedUrls of [true, false]) {
  await check(`ai, azure: generate, deployments in the path: ${useDeploymentBasedUrls}`, async () => {
    const model = createAzure({ baseURL: `${url}/openai`, apiKey, useDeploymentBasedUrls }).image("pocket");
    return (await generateImage({ ...ask, model })).images[0];
  });
}
for (const endpointUrl of [url, `${url}/models/pocket`]) {
  await check(`huggingface: ${endpointUrl}`, async () => {
    const parameters = { width: SIDE, height: SIDE, num_inference_steps: 2 };
    const client = new InferenceClient(apiKey, { endpointUrl });
    const made = await client.textToImage({ inputs: "x", parameters }, { outputType: "blob" });
    return made.type === "image/png";
  });
}
process.exit(failures ? 1 : 0);
