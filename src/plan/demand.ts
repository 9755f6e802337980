/**
 * Demands: what a design takes of something that there is only so much of, as sums over the nodes of its pools. All budgets of a plan, its first
 * failures and its dates of exhaustion come from these sums, so that a new budget is one more function here that makes a {@link Demand}.
 */

import type { MaxSurge } from "../arm/limits.ts";
import { surgeNodes } from "../arm/upgrade.ts";
import type { Amounts, Budget, Failure, Holder, HolderKind, LimitUsed } from "./model.ts";

/** A pool as the sums see it. */
export type Pool = {
  readonly cluster: string;
  readonly name: string;
  readonly count: number;
  /** The autoscaler's, or `count`. */
  readonly maxCount: number;
  readonly surge: MaxSurge;
};

/** What a pool takes. */
export type PoolShare = {
  readonly pool: Pool;
  /** Of its nodes as they are, when that is not `count` times {@link each}: with pods of the manifests only. */
  readonly now?: number;
  /** Of a node with the pods of the manifests, where it differs from {@link each}: a surge node takes them over. */
  readonly eachNow?: number;
  /** Of a node that runs as many pods as it may. */
  readonly each: number;
  /** How one node's figure comes about: `(1 + 30)`. Absent when it is 1. */
  readonly eachText?: string;
  readonly kind?: HolderKind;
  /** Of a node, what it costs the VNet: a block of addresses is one. Absent: {@link each}. */
  readonly mappings?: number;
};

/** What does not depend on the number of nodes. */
export type FixedShare = { readonly kind: HolderKind; readonly name: string; readonly amount: number };

export type Demand = Pick<Budget, "id" | "kind" | "name" | "resource" | "unit" | "cluster" | "capacity" | "code"> & {
  readonly limit: LimitUsed;
  readonly fixed: readonly FixedShare[];
  readonly shares: readonly PoolShare[];
};

/** Nodes of pools at one moment. */
export type Counts = (pool: Pool) => number;

/** What is taken when every node is full, nobody is upgraded, and pools have so many nodes. */
export function demandAt({ fixed, shares }: Sums, counts: Counts): number {
  return shares.reduce((sum, { pool, each }) => sum + counts(pool) * each, sumOf(fixed));
}

/** What the upgrade of one pool adds at most, and what that of all of them does. */
export function surgeAt({ shares }: Sums, counts: Counts): { readonly one: number; readonly all: number } {
  const surges = shares.map(({ pool, each }) => surgeNodes(pool.surge, counts(pool)) * each);
  return { one: Math.max(0, ...surges), all: surges.reduce((sum, surge) => sum + surge, 0) };
}

type Sums = Pick<Demand, "fixed" | "shares">;

export function usedOf(demand: Sums): Amounts {
  const now = demand.shares.reduce((sum, share) => sum + nowOf(share), sumOf(demand.fixed));
  const surgeNow = Math.max(0, ...demand.shares.map(surgeNowOf));
  const largest: Counts = ({ maxCount }) => maxCount;
  const max = Math.max(demandAt(demand, largest), now);
  const { one, all } = surgeAt(demand, largest);
  return { now, upgrade: now + surgeNow, max, maxUpgrade: max + one, maxUpgradeAll: max + all };
}

export function budgetOf(demand: Demand): Budget {
  const { id, kind, name, resource, unit, cluster, capacity, code, limit, fixed, shares } = demand;
  const used = usedOf(demand);
  const holders: Holder[] = [
    ...fixed.map((share) => ({ kind: share.kind, name: share.name, amounts: constant(share.amount) })),
    ...shares.map(holderOf),
  ];
  const failures = shares.flatMap((share) => failureOf(demand, share) ?? []);
  failures.sort((a, b) => distance(a.failure, a.pool) - distance(b.failure, b.pool));
  return {
    id,
    kind,
    name,
    resource,
    unit,
    ...(cluster === undefined ? {} : { cluster }),
    capacity,
    used,
    left: mapAmounts(used, (amount) => capacity - amount),
    holders,
    limit,
    code,
    failures: failures.map(({ failure }) => failure),
  };
}

function sumOf(fixed: readonly FixedShare[]): number {
  return fixed.reduce((sum, { amount }) => sum + amount, 0);
}

function nowOf({ pool, now, each }: PoolShare): number {
  return now ?? pool.count * each;
}

function surgeNowOf({ pool, each, eachNow = each }: PoolShare): number {
  return surgeNodes(pool.surge, pool.count) * eachNow;
}

function holderOf(share: PoolShare): Holder {
  const { pool, each, eachText, kind = "pool" } = share;
  const now = nowOf(share);
  const max = Math.max(pool.maxCount * each, now);
  const surge = surgeNodes(pool.surge, pool.maxCount) * each;
  return {
    kind,
    name: `pool ${pool.cluster}/${pool.name}`,
    each,
    amounts: { now, upgrade: now + surgeNowOf(share), max, maxUpgrade: max + surge, maxUpgradeAll: max + surge },
    ...(share.now === undefined && eachText !== undefined ? { arithmetic: `${pool.count} x ${eachText}` } : {}),
  };
}

export function constant(amount: number): Amounts {
  return { now: amount, upgrade: amount, max: amount, maxUpgrade: amount, maxUpgradeAll: amount };
}

export function mapAmounts(amounts: Amounts, change: (amount: number) => number): Amounts {
  const { now, upgrade, max, maxUpgrade, maxUpgradeAll } = amounts;
  return {
    now: change(now),
    upgrade: change(upgrade),
    max: change(max),
    maxUpgrade: change(maxUpgrade),
    maxUpgradeAll: change(maxUpgradeAll),
  };
}

/** Nodes that the pool is away from the failure. */
export function distance(failure: Failure, pool: Pool): number {
  return failure.node - pool.count;
}

/**
 * The least number of nodes of the pool that the budget has no room for, while all other pools stay as they are: either at rest, or while the pool, or
 * another one, is upgraded. An upgrade comes sooner or later, so whichever is less.
 */
function failureOf(demand: Demand, share: PoolShare): { readonly failure: Failure; readonly pool: Pool } | undefined {
  const { pool, each } = share;
  if (each === 0) return undefined;
  const others = demand.shares.filter((other) => other !== share);
  const taken = others.reduce((sum, other) => sum + other.pool.count * other.each, sumOf(demand.fixed));
  const free = demand.capacity - taken;
  const rest = Math.max(Math.floor(free / each), 0);
  // Surge grows with nodes, so what fits is found by halving.
  const otherSurge = Math.max(0, ...others.map((other) => surgeNodes(other.pool.surge, other.pool.count) * other.each));
  const fits = (nodes: number) => nodes * each + Math.max(surgeNodes(pool.surge, nodes) * each, otherSurge) <= free;
  let [low, high] = [0, rest];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  const when = low < rest ? "upgrade" : "scale";
  const node = low + 1;
  const surge = Math.max(surgeNodes(pool.surge, node) * each, otherSurge);
  const message = failureText(demand, share, { when, node, taken, surge, isOwnSurge: surge > otherSurge });
  return { failure: { budget: demand.id, cluster: pool.cluster, pool: pool.name, when, node, code: demand.code, message }, pool };
}

/** `pool np2 cannot be upgraded with 41 nodes: (41 + 5 surge) x (1 + 30) = 1426 and 93 of others are 1519, more than the 1515 addresses of subnet hub/flat`. */
function failureText(
  { name, unit, capacity }: Demand,
  { pool, each, eachText = String(each) }: PoolShare,
  at: {
    readonly when: Failure["when"];
    readonly node: number;
    readonly taken: number;
    readonly surge: number;
    readonly isOwnSurge: boolean;
  },
): string {
  const { when, node, taken, surge, isOwnSurge } = at;
  const isUpgrade = when === "upgrade";
  const surging = isUpgrade && isOwnSurge ? surgeNodes(pool.surge, node) : 0;
  const nodes = surging === 0 ? `${node}` : `(${node} + ${surging} surge)`;
  const own = (node + surging) * each;
  const ownText = each === 1 ? `${nodes}${surging === 0 ? "" : ` = ${own}`}` : `${nodes} x ${eachText} = ${own}`;
  const elsewhere = isUpgrade && !isOwnSurge ? surge : 0;
  const further = [...(taken === 0 ? [] : [`${taken} of others`]), ...(elsewhere === 0 ? [] : [`${elsewhere} for another pool's surge`])];
  const sum = further.length === 0 ? ownText : `${ownText} and ${further.join(" and ")} are ${own + taken + elsewhere}`;
  const cannot = isUpgrade
    ? isOwnSurge
      ? `cannot be upgraded with ${node} nodes`
      : `cannot have node ${node} while another pool is upgraded`
    : `cannot have node ${node}`;
  return `pool ${pool.cluster}/${pool.name} ${cannot}: ${sum}, more than the ${capacity} ${unit} of ${name}`;
}
