/** Hosts and addresses as assertions name them, to conditions on what a packet does. */

import { isPattern, matchesPattern } from "../documents/pattern.ts";
import type { Finding } from "../documents/problem.ts";
import type { HostName } from "../ir/network.ts";
import { findHost, type Hints, type Sender } from "../lab/ends.ts";
import type { LabView } from "../lab/view.ts";
import { type Address, parseAddress } from "../net/address.ts";
import { parseLoosePrefix, prefixContains } from "../net/prefix.ts";

/** One word of an assertion, and whether a host is what it means. */
export type HostTest = { readonly word: string; readonly matches: (host: HostName) => boolean };

/** An end, an address, a host's name or its ending, or a pattern of names, of which there must be one. */
export function hostTest(view: LabView, word: string, hints: Hints): HostTest | Finding {
  if (isPattern(word)) {
    if (view.network.names().some((name) => matchesPattern(name, word))) return { word, matches: (host) => matchesPattern(host, word) };
    return { code: "UnknownHost", value: word, message: `no host's name is like ${word}`, fix: "'drydock show hosts' lists them" };
  }
  const result = findHost(view, word, hints);
  if ("found" in result) return { word, matches: (host) => host === result.found };
  const { what, near, fix } = result.problem;
  return { code: "UnknownHost", value: word, message: `${what}${near.length === 0 ? "" : `; did you mean ${near.join(" or ")}?`}`, fix };
}

/** One word for a source address that somebody sees, and whether an address is what it means. */
export type AddressTest = { readonly word: string; readonly matches: (address: Address, sender: Sender) => boolean };

const roles = ["pod", "node", "vm"] as const;

/** An address, a prefix, `sender`, a kind of end, or an owner as `drydock show addresses` names it. */
export function addressTest(view: LabView, word: string, hints: Hints): AddressTest | Finding {
  const address = parseAddress(word);
  if (address !== undefined) return { word, matches: (candidate) => candidate === address };
  const prefix = parseLoosePrefix(word);
  if (prefix !== undefined) return { word, matches: (candidate) => prefixContains(prefix, candidate) };
  if (word === "sender") return { word, matches: (candidate, sender) => candidate === sender.address || candidate === sender.ipv6Address };
  const role = roles.find((one) => one === word);
  if (role !== undefined) return { word, matches: (candidate) => kindOf(view, candidate) === role };
  const owner = (candidate: Address) => view.owners.get(candidate)?.owner;
  for (const one of view.owners.values()) if (one.owner === word) return { word, matches: (candidate) => owner(candidate) === word };
  const result = findHost(view, word, hints);
  if ("found" in result) {
    const addresses = new Set(view.network.host(result.found)?.interfaces.flatMap((one) => one.addresses.map((each) => each.address)));
    return { word, matches: (candidate) => addresses.has(candidate) };
  }
  return {
    code: "UnknownOwner",
    value: word,
    message: `nobody's address is meant by ${JSON.stringify(word)}`,
    fix: "use an address, a prefix, sender, pod, node, vm, or an owner as 'drydock show addresses' names it",
  };
}

/** What kind of end has an address: a pod of the node's network has its node's, and the bridge of a node's pods is the node's, too. */
function kindOf(view: LabView, address: Address): string | undefined {
  const all = view.endpointsBy.address.get(address) ?? [];
  const own = all.find(({ pod }) => pod?.spec.hostNetwork !== true);
  if (own !== undefined) return own.kind;
  const owner = view.owners.get(address)?.owner;
  return owner === undefined ? undefined : view.endpointsBy.label.get(owner)?.[0]?.kind;
}
