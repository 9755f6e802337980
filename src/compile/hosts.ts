/** Hosts that are made when they are asked for, and made again only when something changed that they are made from. */

import type { Host, HostName } from "../ir/network.ts";
import { sameItems } from "./same-items.ts";

/** How one host is made: from these inputs, by this function. */
export type Recipe = { readonly inputs: readonly unknown[]; readonly build: () => Host };

export type Recipes = ReadonlyMap<HostName, () => Recipe>;

/** Recipes that all are what they were for as long as `inputs` are. Whatever a recipe's own inputs come from is in `inputs`. */
export type RecipeGroup = { readonly inputs: readonly unknown[]; readonly recipes: () => Recipes };

/** The hosts of some recipes. */
class Hosts {
  readonly #recipes: Recipes;
  readonly #made = new Map<HostName, { readonly inputs: readonly unknown[]; readonly host: Host }>();
  #before: Hosts | undefined;

  constructor(recipes: Recipes, before: Hosts | undefined) {
    this.#recipes = recipes;
    this.#before = before;
    // Only one generation is kept: what nobody asked for in between is compiled again.
    if (before !== undefined) before.#before = undefined;
  }

  names(): Iterable<HostName> {
    return this.#recipes.keys();
  }

  host(name: HostName): Host | undefined {
    const made = this.#made.get(name);
    if (made !== undefined) return made.host;
    const recipe = this.#recipes.get(name)?.();
    if (recipe === undefined) return undefined;
    const before = this.#before === undefined ? undefined : this.#before.#made.get(name);
    const host = before !== undefined && sameItems(before.inputs, recipe.inputs) ? before.host : recipe.build();
    this.#made.set(name, { inputs: recipe.inputs, host });
    return host;
  }
}

type Group = { readonly inputs: readonly unknown[]; readonly hosts: Hosts };

/** All hosts of a network. */
export class HostGroups {
  readonly #single: Hosts;
  readonly #groups = new Map<string, Group>();
  readonly #hostsOf = new Map<HostName, Hosts>();
  readonly #changed = new Set<HostName>();

  /** `single`: recipes outside any group. `before`: the hosts of the network before. */
  constructor(single: Recipes, groups: ReadonlyMap<string, RecipeGroup>, before: HostGroups | undefined) {
    const groupsBefore = before === undefined ? new Map<string, Group>() : before.#groups;
    this.#single = new Hosts(single, before === undefined ? undefined : before.#single);
    this.#take(this.#single, before === undefined ? undefined : before.#single);
    for (const [key, { inputs, recipes }] of groups) {
      const old = groupsBefore.get(key);
      const group = old !== undefined && sameItems(old.inputs, inputs) ? old : { inputs, hosts: new Hosts(recipes(), old?.hosts) };
      this.#groups.set(key, group);
      this.#take(group.hosts, old?.hosts);
    }
    for (const [key, { hosts }] of groupsBefore) if (!groups.has(key)) this.#note(hosts);
  }

  #take(hosts: Hosts, before: Hosts | undefined): void {
    for (const name of hosts.names()) this.#hostsOf.set(name, hosts);
    if (hosts === before) return;
    this.#note(hosts);
    if (before !== undefined) this.#note(before);
  }

  #note(hosts: Hosts): void {
    for (const name of hosts.names()) this.#changed.add(name);
  }

  names(): Iterable<HostName> {
    return this.#hostsOf.keys();
  }

  host(name: HostName): Host | undefined {
    return this.#hostsOf.get(name)?.host(name);
  }

  /** Hosts that may be others than before: new, changed or gone. */
  changed(): ReadonlySet<HostName> {
    return this.#changed;
  }
}

/** Hosts without what changes more often than the rest of them, kept apart, so that such a change costs no more than itself. */
export class BareHosts {
  readonly #made = new Map<HostName, { readonly inputs: readonly unknown[]; readonly host: Host }>();
  #before: BareHosts | undefined;

  constructor(before: BareHosts | undefined) {
    this.#before = before;
    if (before !== undefined) before.#before = undefined;
  }

  /** What gives the host when it is needed: that of before, while its inputs are the same. */
  prepared(name: HostName, { inputs, build }: Recipe): () => Host {
    const before = this.#before === undefined ? undefined : this.#before.#made.get(name);
    if (before !== undefined && sameItems(before.inputs, inputs)) {
      this.#made.set(name, before);
      return () => before.host;
    }
    return () => {
      const host = build();
      this.#made.set(name, { inputs, host });
      return host;
    };
  }
}
