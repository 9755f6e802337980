/** Bodies of requests to the control socket, checked: what is wrong is said with its place, and nothing is done. */

import * as z from "zod";
import type { Fault } from "../arm/faults.ts";
import { parseAddress } from "../net/address.ts";
import { armKey, armTypeOf, type Key, kubeKey, type Resource } from "../resources/resources.ts";
import type { Entry, Trouble } from "./protocol.ts";

/** A request that is refused. */
export class Refused extends Error {
  readonly trouble: Trouble;

  constructor(code: Trouble["code"], message: string, fix?: string) {
    super(message);
    this.name = "Refused";
    this.trouble = { code, error: message, ...(fix === undefined ? {} : { fix }) };
  }
}

/** Places named in one refusal. */
const shownIssues = 5;

/** The body, or {@link Refused}. */
export async function bodyOf<T>(schema: z.ZodType<T>, request: { text(): Promise<string> }): Promise<T> {
  let body: unknown;
  try {
    body = JSON.parse(await request.text());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Refused("request", `the body is no JSON: ${error.message}`);
  }
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`,
  );
  const more = issues.length - shownIssues;
  throw new Refused("request", issues.slice(0, shownIssues).join("; ") + (more > 0 ? `; and ${more} more` : ""));
}

const metadataSchema = z.looseObject({ name: z.string().min(1), namespace: z.string().optional() });
const kubeSchema = z.looseObject({ apiVersion: z.string(), kind: z.string().min(1), metadata: metadataSchema });
const armSchema = z.looseObject({ id: z.string().startsWith("/"), name: z.string(), type: z.string(), properties: z.looseObject({}) });

/** What is inside a resource is as its owner defines it; documents were checked when they were read. Here: is it one, and is this its key? */
const entrySchema = z
  .strictObject({ key: z.string(), value: z.union([armSchema, kubeSchema]) })
  .transform(({ key, value }, context): Entry => {
    if ("id" in value && typeof value.id === "string" && armTypeOf(value.id).toLowerCase() !== String(value.type).toLowerCase()) {
      context.addIssue({
        code: "custom",
        message: `${value.id} is of type ${armTypeOf(value.id)}, not ${String(value.type)}`,
        path: ["value", "type"],
      });
    }
    const expected = keyFor(key, value);
    if (key !== expected) context.addIssue({ code: "custom", message: `is ${key}; the resource's own is ${expected}`, path: ["key"] });
    // Checked above as far as this room can.
    return { key, value: value as unknown as Resource };
  });

/** A Kubernetes object does not name its cluster: that one is believed. */
function keyFor(key: Key, value: z.infer<typeof armSchema> | z.infer<typeof kubeSchema>): Key {
  if ("id" in value && typeof value.id === "string") return armKey(value.id);
  const { kind, metadata } = value as z.infer<typeof kubeSchema>;
  return kubeKey(/^\/kubernetes\/([^/]+)\//.exec(key)?.[1] ?? "CLUSTER", kind, metadata.namespace, metadata.name);
}

export const applyRequest = z.array(entrySchema);

export const scaleRequest = z.strictObject({ pool: z.string().min(1), cluster: z.string().min(1).optional(), count: z.int().min(0) });

const referenceSchema = z.strictObject({ id: z.string().startsWith("/") });
const always = { until: z.iso.datetime().exactOptional() };
const nameSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/);

export const faultRequest = z.strictObject({
  id: z.string().regex(/^\/subscriptions\/.+\/providers\/Drydock\.Lab\/faults\/[a-z0-9-]+$/),
  name: nameSchema,
  type: z.literal("Drydock.Lab/faults"),
  properties: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("route"), routeTable: referenceSchema, routeName: z.string(), ...always }),
    z.strictObject({ kind: z.literal("stop"), virtualMachine: referenceSchema, machineName: z.string(), ...always }),
    z.strictObject({ kind: z.literal("probe"), probe: referenceSchema, ...always }),
    z.strictObject({ kind: z.literal("snat"), virtualMachine: referenceSchema, machineName: z.string(), ...always }),
    z.strictObject({ kind: z.literal("leak"), managedCluster: referenceSchema, ...always }),
    z.strictObject({ kind: z.literal("site"), site: referenceSchema, ...always }),
    z.strictObject({ kind: z.literal("peering"), peering: referenceSchema, ...always }),
    z.strictObject({ kind: z.literal("routes"), subnet: referenceSchema, ...always }),
    z.strictObject({ kind: z.literal("replies"), virtualMachine: referenceSchema, machineName: z.string(), ...always }),
    z.strictObject({ kind: z.literal("forget"), virtualMachine: referenceSchema, machineName: z.string(), ...always }),
  ]),
}) satisfies z.ZodType<Fault>;

export const faultNames = z.array(nameSchema);

const addressSchema = z.string().transform((text, context) => {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  context.addIssue({ code: "custom", message: `${JSON.stringify(text)} is no address` });
  return z.NEVER;
});
const portSchema = z.int().min(0).max(65_535);
const packetSchema = z.object({
  protocol: z.enum(["tcp", "udp", "icmp", "sctp"]),
  source: addressSchema,
  destination: addressSchema,
  sourcePort: portSchema.exactOptional(),
  destinationPort: portSchema.exactOptional(),
});
const timeoutSchema = z.number().positive().max(600_000);

export const probeRequests = z.array(
  z.strictObject({ from: z.string(), packet: packetSchema, timeoutMs: timeoutSchema, tos: z.int().min(0).max(255).exactOptional() }),
);

export const observeRequest = z.strictObject({
  from: z.string(),
  packet: packetSchema,
  hosts: z.array(z.string()),
  timeoutMs: timeoutSchema.exactOptional(),
});
