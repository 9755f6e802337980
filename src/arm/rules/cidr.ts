/** Prefixes in resources: parsing with Azure's codes, and the checks that several resources share. */

import { type Family, parseAddress } from "../../net/address.ts";
import { addressOf, lastAddressOf, lengthOf, type Prefix, parseLoosePrefix, prefixesOverlap, prefixFamily } from "../../net/prefix.ts";
import type { Reserved } from "../limits.ts";
import type { ArmId } from "../resources.ts";
import type { PropertyPath, Report } from "./problem.ts";

export type Where = { readonly id: ArmId; readonly property: PropertyPath };

/** The prefix, or `undefined` after reporting why it is none, or none of the families that may be there. */
export function readCidr(report: Report, where: Where, text: string, families: readonly Family[] = [4]): Prefix | undefined {
  const prefix = parseLoosePrefix(text);
  const problem = { ...where, severity: "error", value: text, source: "AKS issue 506; RFC 4632" } as const;
  if (prefix === undefined) {
    const fix = "write network address, slash, prefix length, such as 10.240.0.0/16";
    report({ ...problem, code: "CidrStringParseError", message: `${JSON.stringify(text)} is not a prefix in CIDR notation`, fix });
    return undefined;
  }
  if (!families.includes(prefixFamily(prefix))) {
    const source = "learn:azure/virtual-network/ip-services/ipv6-overview";
    report({
      ...problem,
      code: "InvalidParameter",
      message: `${prefix} is of IPv6, which cannot be here`,
      source,
      fix: "use an IPv4 prefix",
    });
    return undefined;
  }
  if (addressOf(prefix) !== parseAddress(text.slice(0, text.indexOf("/")))) {
    const message = `${text} has bits set after its ${lengthOf(prefix)} bits of network: the prefix that holds this address is ${prefix}`;
    report({ ...problem, code: "CidrStringParseError", message, fix: `write ${prefix}` });
    return undefined;
  }
  return prefix;
}

/** `10.240.0.0/24 (10.240.0.0 - 10.240.0.255)`. */
export function span(prefix: Prefix): string {
  return `${prefix} (${addressOf(prefix)} - ${lastAddressOf(prefix)})`;
}

/** The first few of many, for a message. */
export function some(texts: readonly string[], separator: string): string {
  const shown = texts.slice(0, 8).join(separator);
  return texts.length <= 8 ? shown : `${shown}${separator}${texts.length - 8} more`;
}

export type Forbidden = { readonly ranges: readonly Reserved[]; readonly source: string };

/** Reports the first forbidden range that `prefix` touches. */
export function checkForbidden(report: Report, where: Where, prefix: Prefix, what: string, forbidden: Forbidden): void {
  const touched = forbidden.ranges.find((range) => prefixesOverlap(range.prefix, prefix));
  if (touched === undefined) return;
  report({
    ...where,
    code: "InvalidParameter",
    severity: "error",
    value: prefix,
    message: `${what} ${prefix} overlaps ${touched.prefix}, which is ${touched.what}`,
    source: forbidden.source,
    fix: `choose a range outside ${forbidden.ranges.map((range) => range.prefix).join(", ")}`,
  });
}
