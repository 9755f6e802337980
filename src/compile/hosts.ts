/** Hosts that are made when they are asked for, and made again only when something changed that they are made from. */

import type { Host, HostName } from "../ir/network.ts";
import { sameItems } from "./same-items.ts";

/** How one host is made: from these inputs, by this function. */
export type Recipe = { readonly inputs: readonly unknown[]; readonly build: () => Host };

/** `World`: what the hosts of one network have in common. A recipe is asked for within one, and keeps nothing of it. */
export type Recipes<World> = ReadonlyMap<HostName, (world: World) => Recipe>;

/** Recipes that all are what they were for as long as `inputs` are. Whatever a recipe's own inputs come from is in `inputs`. */
export type RecipeGroup<World> = { readonly inputs: readonly unknown[]; readonly recipes: () => Recipes<World> };

/** What the recipes of a network are gathered in. */
export type RecipeBook<World> = {
  /** Of hosts that have nothing to do with the world: they stay as they are for as long as the book does. */
  readonly fixed: Recipes<unknown>;
  readonly single: Recipes<World>;
  /** Recipes that stay as they are as a whole. */
  readonly groups: ReadonlyMap<string, RecipeGroup<World>>;
};

/** The hosts of some recipes. */
class Hosts<World> {
  readonly #recipes: Recipes<World>;
  readonly #made = new Map<HostName, { readonly inputs: readonly unknown[]; readonly host: Host }>();
  #before: Hosts<World> | undefined;

  constructor(recipes: Recipes<World>, before: Hosts<World> | undefined) {
    this.#recipes = recipes;
    this.#before = before;
    // Only one generation is kept: what nobody asked for in between is compiled again.
    if (before !== undefined) before.#before = undefined;
  }

  names(): Iterable<HostName> {
    return this.#recipes.keys();
  }

  host(name: HostName, world: World): Host | undefined {
    const made = this.#made.get(name);
    if (made !== undefined) return made.host;
    const recipe = this.#recipes.get(name)?.(world);
    if (recipe === undefined) return undefined;
    const before = this.#before === undefined ? undefined : this.#before.#made.get(name);
    const host = before !== undefined && sameItems(before.inputs, recipe.inputs) ? before.host : recipe.build();
    this.#made.set(name, { inputs: recipe.inputs, host });
    return host;
  }
}

type Group<World> = { readonly inputs: readonly unknown[]; readonly hosts: Hosts<World> };

/** All hosts of a network. */
export class HostGroups<World> {
  readonly #world: World;
  readonly #fixed: Hosts<unknown>;
  readonly #single: Hosts<World>;
  readonly #groups: ReadonlyMap<string, Group<World>>;
  /** The group of each host that is in one: that of before, while no group has changed. */
  readonly #groupOf: ReadonlyMap<HostName, string>;
  readonly #changed = new Set<HostName>();

  /** `before`: the hosts of the network before; it had the same book when `isSameBook`. */
  constructor({ fixed, single, groups }: RecipeBook<World>, world: World, before: HostGroups<World> | undefined, isSameBook: boolean) {
    this.#world = world;
    this.#single = new Hosts(single, before === undefined ? undefined : before.#single);
    this.#note(this.#single);
    if (isSameBook && before !== undefined) {
      this.#fixed = before.#fixed;
      this.#groups = before.#groups;
      this.#groupOf = before.#groupOf;
      return;
    }
    this.#fixed = new Hosts(fixed, before === undefined ? undefined : before.#fixed);
    this.#note(this.#fixed);
    if (before !== undefined) for (const hosts of [before.#fixed, before.#single]) this.#note(hosts);
    const groupsBefore = before === undefined ? new Map<string, Group<World>>() : before.#groups;
    const made = new Map<string, Group<World>>();
    for (const [key, { inputs, recipes }] of groups) {
      const old = groupsBefore.get(key);
      const isKept = old !== undefined && sameItems(old.inputs, inputs);
      const group = isKept ? old : { inputs, hosts: new Hosts(recipes(), old?.hosts) };
      made.set(key, group);
      if (isKept) continue;
      this.#note(group.hosts);
      if (old !== undefined) this.#note(old.hosts);
    }
    for (const [key, { hosts }] of groupsBefore) if (!made.has(key)) this.#note(hosts);
    this.#groups = made;
    const isSame = made.size === groupsBefore.size && [...made].every(([key, group]) => groupsBefore.get(key) === group);
    this.#groupOf = isSame && before !== undefined ? before.#groupOf : indexOf(made);
  }

  #note(hosts: Pick<Hosts<World>, "names">): void {
    for (const name of hosts.names()) this.#changed.add(name);
  }

  *names(): Iterable<HostName> {
    yield* this.#fixed.names();
    yield* this.#single.names();
    yield* this.#groupOf.keys();
  }

  host(name: HostName): Host | undefined {
    const group = this.#groupOf.get(name);
    if (group !== undefined) return this.#groups.get(group)?.hosts.host(name, this.#world);
    return this.#single.host(name, this.#world) ?? this.#fixed.host(name, undefined);
  }

  /** Hosts that may be others than before: new, changed or gone. */
  changed(): ReadonlySet<HostName> {
    return this.#changed;
  }
}

function indexOf<World>(groups: ReadonlyMap<string, Group<World>>): ReadonlyMap<HostName, string> {
  const index = new Map<HostName, string>();
  for (const [key, { hosts }] of groups) for (const name of hosts.names()) index.set(name, key);
  return index;
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
