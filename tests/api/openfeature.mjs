// The OpenFeature server SDK with the OFREP provider, against the address and key that are given.
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";

const [address, key, unit] = process.argv.slice(2);
const provider = new OFREPProvider({ baseUrl: address, headers: [["Authorization", `Bearer ${key}`]] });
await OpenFeature.setProviderAndWait(provider);
const client = OpenFeature.getClient();
const fallback = { banner: "fallback" };
const found = {
  known: await client.getObjectDetails("website-banner", fallback, { targetingKey: unit }),
  unknown: await client.getObjectDetails("nobody", fallback, { targetingKey: unit }),
  nobody: await client.getObjectDetails("website-banner", fallback, {}),
};
console.log(JSON.stringify(found));
await OpenFeature.close();
