/** What a file of assertions may say. The published JSON Schema is made from this. */

import { formatValue, type Path } from "../documents/problem.ts";
import {
  type Complain,
  choice,
  flag,
  integer,
  type JsonSchema,
  list,
  object,
  optional,
  required,
  type Shape,
  text,
  textMap,
  withDefault,
} from "../documents/shape.ts";
import type { Tree } from "../documents/tree.ts";
import { vias } from "../lab/endpoints.ts";
import { moments } from "../plan/model.ts";
import { dispositions } from "../trace/index.ts";
import { parseComparison } from "./comparison.ts";

/** Kinds of ends that a set may have. */
export const setKinds = ["pod", "node", "vm", "endpoint", "site", "internet"] as const;

const cluster = optional(text({ what: "name of a cluster", examples: ["shop"] }), "The cluster, when the design has several.");
const namespace = optional(text({ what: "name of a namespace", examples: ["shop"] }), "The namespace of pods, workloads and Services.");

const portItem = text({
  what: "port and protocol",
  pattern: /^([1-9]\d{0,4}(\/(tcp|udp))?|icmp)$/,
  rule: "a port from 1 to 65535 and tcp or udp, or icmp",
  examples: ["443/tcp", "53/udp"],
  numbersToo: true,
});

const setFields = {
  kind: withDefault(choice(setKinds, { what: "kind of end" }), "pod", "What they are."),
  cluster: optional(
    text({ what: "name of a cluster", examples: ["shop"] }),
    "Only of this cluster. A pattern: * is any text, ? any character.",
  ),
  namespace: optional(text({ what: "name of a namespace", examples: ["shop"] }), "Of pods: only of this namespace. A pattern."),
  labels: optional(textMap("labels"), "Of pods: only with these labels."),
  name: optional(text({ what: "name", examples: ["web-*"] }), "Only of this name. A pattern."),
  within: optional(
    text({ what: "prefix", examples: ["10.240.0.0/24"], pattern: /^[0-9a-fA-F:.]+\/\d{1,3}$/, rule: "a prefix in CIDR notation" }),
    "Only with an address in this prefix.",
  ),
  ports: optional(
    list(portItem, { what: "ports", least: 1 }),
    "Of receivers: which ports are asked. Default: those that each listens on, and ICMP where it listens on none.",
  ),
} as const;

export const endSetOptions = {
  what: "a set of ends",
  synonyms: { namespaces: "namespace", podSelector: "labels", matchLabels: "labels", prefix: "within", port: "ports" },
} as const;

const plainSet = object(setFields, endSetOptions);
type PlainSet = NonNullable<ReturnType<typeof plainSet.read>>;

/** One end as `trace` takes it, or a set of them. */
export type EndWords = { readonly end: string } | { readonly set: PlainSet & { readonly except: readonly EndWords[] } };

const endText = text({ what: "end of a journey", examples: ["deploy/web", "vm/db:5432"] });

function endsShape(set: Shape<PlainSet & { readonly except?: readonly EndWords[] | undefined }>): Shape<readonly EndWords[]> {
  const one = (tree: Tree, path: Path, complain: Complain): readonly EndWords[] => {
    if (tree.kind === "map") {
      const read = set.read(tree, path, complain);
      return read === undefined ? [] : [{ set: { ...read, except: read.except ?? [] } }];
    }
    const read = endText.read(tree, path, complain);
    return read === undefined ? [] : [{ end: read }];
  };
  const { schema: single } = endText;
  return {
    schema: { anyOf: [single, set.schema, { type: "array", items: { anyOf: [single, set.schema] }, minItems: 1 }] },
    read: (tree, path, complain) => {
      if (tree.kind !== "list") return one(tree, path, complain);
      if (tree.items.length === 0)
        complain(path, { code: "InvalidValue", message: "an empty list names no end", fix: "name at least one" });
      return tree.items.flatMap((item, index) => one(item, [...path, index], complain));
    },
  };
}

const endsWithoutExceptions = endsShape(plainSet);
const ends = endsShape(object({ ...setFields, except: optional(endsWithoutExceptions, "All but these: ends and sets.") }, endSetOptions));

/** One item, or a list of them. */
function some<T>(item: Shape<T>, what: string): Shape<readonly T[]> {
  const several = list(item, { what, least: 1 });
  return {
    schema: { anyOf: [item.schema, several.schema] },
    read: (tree, path, complain) => {
      if (tree.kind === "list") return several.read(tree, path, complain)?.flatMap((one) => (one === undefined ? [] : [one]));
      const one = item.read(tree, path, complain);
      return one === undefined ? undefined : [one];
    },
  };
}

/** How a packet may end, and the words for several of them. */
export const outcomeWords = [...dispositions, "blocked"] as const;

const hosts = (description: string) =>
  optional(
    some(text({ what: "host", examples: ["10.0.1.4", "vm/fw", "edge/*"] }), "hosts"),
    `${description} An end, an address, a host's name, or a pattern of names.`,
  );

export const translationKinds = ["source", "destination"] as const;

const seen = text({ what: "address, prefix or owner", examples: ["node", "10.240.0.0/24", "NAT gateway egress"] });

const translation = object(
  {
    of: required(choice(translationKinds, { what: "address that is translated" }), "Which address is translated."),
    on: hosts("The host that does it."),
    to: optional(some(seen, "addresses"), "What the address becomes: an address, a prefix, or a word as for sees."),
  },
  { what: "a translation", synonyms: { at: "on", by: "on", becomes: "to", kind: "of" } },
);

const translationItem: Shape<NonNullable<ReturnType<typeof translation.read>>> = {
  schema: { anyOf: [{ type: "string", enum: translationKinds }, translation.schema] },
  read: (tree, path, complain) => {
    if (tree.kind !== "scalar") return translation.read(tree, path, complain);
    const of = choice(translationKinds, { what: "translation" }).read(tree, path, complain);
    return of === undefined ? undefined : { of, on: undefined, to: undefined };
  },
};

const translations: Shape<readonly NonNullable<ReturnType<typeof translation.read>>[]> = {
  schema: { anyOf: [{ const: "none" }, { type: "array", items: translationItem.schema }] },
  read: (tree, path, complain) => {
    if (tree.kind === "scalar" && tree.value === "none") return [];
    if (tree.kind === "scalar") {
      complain(path, {
        code: "InvalidValue",
        value: tree.value,
        message: `translations are none, or a list of them; this is ${formatValue(tree.value)}`,
        fix: "use none, or [source], [destination], [{ of: source, to: node }]",
      });
      return undefined;
    }
    return list(translationItem, { what: "translations" })
      .read(tree, path, complain)
      ?.flatMap((one) => (one === undefined ? [] : [one]));
  },
};

const common = {
  name: required(
    text({ what: "name of an assertion", examples: ["the database sees the nodes"] }),
    "What is asserted, in words. No two of a file are the same.",
  ),
  because: optional(text({ what: "reason" }), "Why it must be so. It is printed when it is not."),
} as const;

const reach = object(
  {
    ...common,
    from: required(ends, "Who sends: an end as `trace` takes it, a set of ends, or a list of both. The assertion is about every pair"),
    to: required(ends, "Where to: the same, with ports; also svc/NAME:PORT and any address"),
    outcome: optional(
      some(choice(outcomeWords, { what: "outcome" }), "outcome"),
      "How every way of the packet ends; blocked is everything but delivered. Default: delivered, or blocked with exceptThrough.",
    ),
    through: hosts("What arrives comes by all of these."),
    notThrough: hosts("What arrives comes by none of these."),
    exceptThrough: hosts("With outcome blocked: what comes by one of these may arrive."),
    sees: optional(
      some(seen, "sees"),
      "The source address that the receiver sees: an address, a prefix, sender (as it was sent), pod, node, or an owner as `drydock show addresses` names it.",
    ),
    translations: optional(
      translations,
      "What is translated on the way there, in order: none, or a list of source, destination, or { of, on, to }.",
    ),
    protocol: optional(
      choice(["tcp", "udp", "icmp"], { what: "protocol" }),
      "Protocol of the packet. Default: what the target listens on.",
    ),
    sourcePort: optional(integer({ what: "sourcePort", min: 1, max: 65535 }), "The port to send from. Default: any."),
    family: optional(
      choice(["IPv4", "IPv6"], { what: "address family" }),
      "By which address to reach a target that has both. Default: IPv4.",
    ),
    via: optional(choice(vias, { what: "address of a Service" }), "By which address to reach a Service."),
    cluster,
    namespace,
  },
  {
    what: "an assertion about packets",
    synonyms: { source: "from", destination: "to", expect: "outcome", result: "outcome", except: "exceptThrough" },
    notModelled: { answeredBy: "assert the receiver's own address as `to`" },
  },
);

const comparison: Shape<string> = {
  schema: { type: "string", pattern: "^\\s*(>=|<=|=|>|<)\\s*-?\\d+\\s*$", examples: [">= 20"] },
  read: (tree, path, complain) => {
    const written = tree.kind === "scalar" ? tree.text : "";
    if (parseComparison(written) !== undefined) return written;
    complain(path, {
      code: "InvalidValue",
      ...(tree.kind === "scalar" ? { value: tree.value } : {}),
      message: "a bound is a comparison with a whole number",
      fix: /^-?\d+$/.test(written.trim())
        ? `write ">= ${written.trim()}", "= ${written.trim()}" or another of > < <=`
        : 'write it like ">= 20"',
    });
    return undefined;
  },
};

const free = {
  free: required(comparison, 'How much of it is left: ">= 20"'),
  at: withDefault(
    choice(moments, { what: "moment" }),
    "now",
    "When: now, while a pool is upgraded with its surge, at every pool's maximum, in an upgrade then, in an upgrade of all pools at once.",
  ),
} as const;

const space = object(
  {
    ...common,
    subnet: required(text({ what: "subnet: VNET/SUBNET", examples: ["hub/plain"] }), "A subnet of the design, as VNET/SUBNET"),
    ...free,
  },
  { what: "an assertion about a subnet", synonyms: { left: "free", addresses: "free", when: "at", moment: "at" } },
);

const budget = object(
  {
    ...common,
    budget: required(text({ what: "budget", examples: ["podCidr/shop"] }), "A budget of the design, by its id in `drydock plan -o json`"),
    ...free,
  },
  { what: "an assertion about a budget", synonyms: { left: "free", when: "at", moment: "at" } },
);

export const rangeGroups = ["networks", "podCidrs", "serviceCidrs", "sites"] as const;

const rangeItem: Shape<string> = {
  schema: {
    anyOf: [
      { type: "string", enum: rangeGroups },
      { type: "string", pattern: "^[0-9a-fA-F:.]+/\\d{1,3}$", examples: ["172.16.0.0/12"] },
    ],
  },
  read: (tree, path, complain) => {
    const written = tree.kind === "scalar" && typeof tree.value === "string" ? tree.value : "";
    if ((rangeGroups as readonly string[]).includes(written) || /^[0-9a-fA-F:.]+\/\d{1,3}$/.test(written)) return written;
    complain(path, {
      code: "InvalidValue",
      ...(tree.kind === "scalar" ? { value: tree.value } : {}),
      message: "ranges are groups of the design's or prefixes of others",
      fix: `use ${rangeGroups.join(", ")} or a prefix such as 172.16.0.0/12`,
    });
    return undefined;
  },
};

const disjoint = object(
  {
    ...common,
    disjoint: required(
      some(rangeItem, "disjoint"),
      "Ranges of which no two overlap: networks, podCidrs, serviceCidrs, sites, and prefixes that the design does not know, such as those of other networks",
    ),
  },
  { what: "an assertion about ranges" },
);

const problem = object(
  {
    ...common,
    problem: required(text({ what: "code", examples: ["SubnetIsFull"] }), "Code of a problem that reading or planning the design finds"),
    present: withDefault(flag("present"), true, "False: the design must not have it."),
    severity: optional(
      choice(["error", "warning"], { what: "severity" }),
      "Only one of this severity: with an error the design is refused.",
    ),
    message: optional(text({ what: "message" }), "Only one whose message has this in it."),
  },
  { what: "an assertion about a problem", synonyms: { code: "problem", expected: "present" } },
);

/** By the property that tells them apart. */
const kinds = { from: reach, subnet: space, budget, disjoint, problem } as const;
type Kind = keyof typeof kinds;
type Read<K extends Kind> = NonNullable<ReturnType<(typeof kinds)[K]["read"]>>;

export type ReachWords = Read<"from">;
export type AssertionWords =
  | ({ readonly kind: "reach" } & ReachWords)
  | ({ readonly kind: "subnet" } & Read<"subnet">)
  | ({ readonly kind: "budget" } & Read<"budget">)
  | ({ readonly kind: "disjoint" } & Read<"disjoint">)
  | ({ readonly kind: "problem" } & Read<"problem">);

const kindNames = Object.keys(kinds) as readonly Kind[];
/** An assertion with one of these and not its own first property still shows what it was to be. */
const hints: Readonly<Record<string, Kind>> = { to: "from", through: "from", sees: "from", outcome: "from", present: "problem" };

const assertion: Shape<AssertionWords> = {
  schema: { anyOf: Object.values(kinds).map(({ schema }) => schema) },
  read: (tree, path, complain) => {
    if (tree.kind !== "map") {
      complain(path, { code: "WrongType", message: `an assertion is a mapping with a name and one of ${kindNames.join(", ")}` });
      return undefined;
    }
    const named = kindNames.filter((name) => tree.entries.has(name));
    const [first = Object.entries(hints).find(([name]) => tree.entries.has(name))?.[1], second] = named;
    if (first === undefined) {
      complain(path, {
        code: "RequiredProperty",
        message: "an assertion says what it is about",
        fix: "give it from and to (packets), subnet or budget and free (room), disjoint (ranges), or problem (what the design must be refused for)",
      });
      return undefined;
    }
    if (second !== undefined) {
      complain(
        [...path, second],
        { code: "Contradiction", message: `an assertion has either ${first} or ${second}`, fix: "make two assertions of it" },
        "key",
      );
    }
    return readKind(first, tree, path, complain);
  },
};

function readKind(kind: Kind, tree: Tree, path: Path, complain: Complain): AssertionWords | undefined {
  const tagged = <W extends AssertionWords["kind"], T>(name: W, words: T | undefined) =>
    words === undefined ? undefined : { kind: name, ...words };
  switch (kind) {
    case "from":
      return tagged("reach", reach.read(tree, path, complain));
    case "subnet":
      return tagged("subnet", space.read(tree, path, complain));
    case "budget":
      return tagged("budget", budget.read(tree, path, complain));
    case "disjoint":
      return tagged("disjoint", disjoint.read(tree, path, complain));
    case "problem":
      return tagged("problem", problem.read(tree, path, complain));
    default:
      throw new Error(`unknown kind ${String(kind satisfies never)}`);
  }
}

export const assertionFile = object(
  {
    design: optional(
      some(text({ what: "path of a document", examples: ["lab.yaml"] }), "design"),
      "The documents that describe the design, relative to this file. `-f` on the command line names others.",
    ),
    cluster,
    namespace,
    assertions: required(list(assertion, { what: "assertions", least: 1 }), "What must hold"),
  },
  {
    what: "a file of assertions",
    synonyms: { lab: "design", file: "design", files: "design", tests: "assertions", asserts: "assertions" },
  },
);

/** JSON Schema 2020-12, for editors. */
export function assertionSchema(): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "https://drydock.invalid/schema/test.schema.json",
    title: "Drydock assertions",
    description: "What must hold of a design: docs/test.md",
    ...assertionFile.schema,
  };
}
