/** What one front end adds to a host. A host is the sum of its parts. */

import type { Host, HostName, Interface, Listener, Neighbour, Origin, PolicyRule, Route } from "../ir/network.ts";
import type { Table } from "../ir/ruleset.ts";

export type Part = {
  readonly interfaces?: readonly Interface[];
  readonly routes?: readonly Route[];
  readonly rules?: readonly PolicyRule[];
  readonly neighbours?: readonly Neighbour[];
  readonly tables?: readonly Table[];
  readonly listeners?: readonly Listener[];
};

export function hostOf(name: HostName, forwarding: boolean, origin: Origin, parts: readonly Part[]): Host {
  return {
    name,
    forwarding,
    interfaces: parts.flatMap((part) => part.interfaces ?? []),
    routes: parts.flatMap((part) => part.routes ?? []),
    rules: parts.flatMap((part) => part.rules ?? []).sort((a, b) => a.priority - b.priority),
    neighbours: parts.flatMap((part) => part.neighbours ?? []),
    ruleSet: parts.flatMap((part) => part.tables ?? []).sort((a, b) => (a.name < b.name ? -1 : 1)),
    listeners: parts.flatMap((part) => part.listeners ?? []),
    origin,
  };
}
