/** What a lab file may say is broken, in the words of `drydock fault add`. What a target names is known when AKS has made what it makes. */

import { type FaultKind, faultKinds, faultNamePattern } from "../../arm/faults.ts";
import type { Finding, Problem } from "../problem.ts";
import { choice, object, optional, required, text } from "../shape.ts";

/** A fault as a file has it. `problem`: what is wrong with one of its properties, with its place in the file. */
export type FileFault = {
  readonly kind: FaultKind;
  readonly target: string;
  readonly name?: string;
  readonly problem: (property: "kind" | "target" | "name", finding: Finding) => Problem;
};

const kinds = Object.keys(faultKinds) as FaultKind[];

export const faultShape = object(
  {
    kind: required(choice(kinds, { what: "kind of fault" }), "What sort of fault."),
    target: required(
      text({ what: "target of a fault", examples: ["node/000001"], numbersToo: true }),
      "Name of what it hits, or a part of the name that no other has, as 'drydock fault add' takes it.",
    ),
    name: optional(
      text({
        what: "name for a fault",
        pattern: faultNamePattern,
        rule: "1 to 40 lower-case letters, digits and '-', the first not '-'",
        examples: ["vpn-down"],
      }),
      "By which 'drydock fault remove' mends it. Default: kind and target.",
    ),
  },
  {
    what: "a fault",
    synonyms: { type: "kind", what: "kind", on: "target", hits: "target" },
    notModelled: {
      for: "leave it out: a file's faults stay until they are removed; 'drydock fault add --for' breaks something for a time",
      until: "leave it out: a file's faults stay until they are removed; 'drydock fault add --for' breaks something for a time",
    },
  },
);
