/**
 * When things run out, if pools grow as somebody says. Days are counted from a day that the caller gives; nothing here reads a clock.
 *
 * Every node counts as full, and every budget is asked twice: does it suffice at rest, and does it suffice for the upgrade of one pool? The first day of
 * each no is in the forecast.
 */

import { defaultPorts } from "../arm/snat-ports.ts";
import { surgeNodes } from "../arm/upgrade.ts";
import type { Design, PlannedCluster } from "./budgets.ts";
import { type Counts, type Demand, demandAt, type Pool, surgeAt } from "./demand.ts";
import type { Exhaustion, Forecast } from "./model.ts";

/** So much more each month, of nodes or of pods: of every cluster, of one, or of a pool. */
export type Rate = {
  /** Not negative. */
  readonly amount: number;
  /** `percent` of what there is at that time, so that growth grows. */
  readonly unit: "nodes" | "pods" | "percent";
  readonly per: "week" | "month" | "year";
  readonly cluster?: string;
  readonly pool?: string;
};

/** Nodes of pools on a day; between two days they grow evenly, and after the last one they stay. */
export type CountsOn = { readonly date: string; readonly pools: Readonly<Record<string, number>> };

export type Growth = { readonly from: string; readonly rates: readonly Rate[]; readonly counts: readonly CountsOn[] };

/** So many years ahead; what lasts longer is not in the forecast. */
const horizonYears = 10;
const dayMs = 86_400_000;

export function forecastOf(design: Design, demands: readonly Demand[], growth: Growth): Forecast {
  const pools = design.clusters.flatMap((cluster) =>
    cluster.pools.map(({ pool, resource }) => ({ cluster, pool, maxPods: resource.properties.maxPods })),
  );
  const tracks = new Map(pools.map(({ cluster, pool, maxPods }) => [pool, trackOf(growth, cluster, pool, maxPods)]));
  const countsOn =
    (day: number): Counts =>
    (pool) =>
      tracks.get(pool)?.(day) ?? pool.count;
  const horizon = daysBetween(growth.from, monthsAfter(growth.from, 12 * horizonYears));
  // Whoever may shrink does not fail once and for all: then every day is asked.
  const isMonotone = growth.counts.length === 0;
  const firstDay = (fails: (day: number) => boolean) => firstOf(horizon, fails, isMonotone);
  const exhaustions: Exhaustion[] = [];
  for (const demand of demands) {
    if (demand.shares.length === 0) continue;
    for (const when of ["scale", "upgrade"] as const) {
      const needed = (counts: Counts) => demandAt(demand, counts) + (when === "upgrade" ? surgeAt(demand, counts).one : 0);
      const day = firstDay((candidate) => needed(countsOn(candidate)) > demand.capacity);
      if (day === undefined) continue;
      const counts = countsOn(day);
      exhaustions.push({
        budget: demand.id,
        name: demand.name,
        when,
        day,
        date: dateAfter(growth.from, day),
        needed: needed(counts),
        capacity: demand.capacity,
        unit: demand.unit,
        code: demand.code,
        nodes: Object.fromEntries(demand.shares.map(({ pool }) => [`${pool.cluster}/${pool.name}`, counts(pool)])),
      });
    }
  }
  exhaustions.sort((a, b) => a.day - b.day || (a.when === b.when ? 0 : a.when === "upgrade" ? -1 : 1));
  const events = [...autoscalerEvents(pools.map(({ pool }) => pool)), ...cliffEvents(design)].flatMap(({ isReached, text }) => {
    const day = firstDay((candidate) => isReached(countsOn(candidate)));
    return day === undefined || day === 0 ? [] : [{ day, date: dateAfter(growth.from, day), text }];
  });
  events.sort((a, b) => a.day - b.day);
  return { from: growth.from, until: dateAfter(growth.from, horizon), growth: growthTexts(growth), exhaustions, events };
}

/** The first day of which it is true. */
function firstOf(horizon: number, isTrue: (day: number) => boolean, isMonotone: boolean): number | undefined {
  if (!isMonotone) {
    for (let day = 0; day <= horizon; day++) if (isTrue(day)) return day;
    return undefined;
  }
  if (!isTrue(horizon)) return undefined;
  let [low, high] = [0, horizon];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (isTrue(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

type Track = (day: number) => number;

/** Nodes of a pool by day. Counts of its own win over rates. */
function trackOf(growth: Growth, cluster: PlannedCluster, pool: Pool, maxPods: number): Track {
  const key = `${pool.cluster}/${pool.name}`;
  const points = growth.counts.flatMap(({ date, pools }) =>
    pools[key] === undefined ? [] : [{ day: daysBetween(growth.from, date), nodes: pools[key] }],
  );
  if (points.length > 0) return between([{ day: 0, nodes: pool.count }, ...points.filter(({ day }) => day > 0)]);
  const rates = growth.rates.filter((rate) => (rate.cluster ?? pool.cluster) === pool.cluster && (rate.pool ?? pool.name) === pool.name);
  const shares = rates.map((rate) => shareOf(rate, growth.from, cluster, pool, maxPods));
  return (day) => shares.reduce((nodes, grow) => grow(nodes, day), pool.count);
}

/** What a rate makes of a number of nodes. One of nodes or pods that names no pool is shared out by the sizes of the cluster's pools. */
function shareOf(rate: Rate, from: string, cluster: PlannedCluster, pool: Pool, maxPods: number): (nodes: number, day: number) => number {
  const { amount, unit, per } = rate;
  const elapsed = (day: number) => (per === "week" ? day / 7 : monthsIn(from, day) / (per === "year" ? 12 : 1));
  if (unit === "percent") return (nodes, day) => Math.floor(nodes * (1 + amount / 100) ** elapsed(day) + rounding);
  const concerned = cluster.pools.filter((other) => rate.pool === undefined || rate.pool === other.pool.name).map((other) => other.pool);
  const all = concerned.reduce((sum, { count }) => sum + count, 0);
  const part = all === 0 ? 1 / concerned.length : pool.count / all;
  if (unit === "nodes") return (nodes, day) => nodes + Math.floor(amount * part * elapsed(day) + rounding);
  // Pods come to the nodes that are there until these are full; a cluster without manifests counts as full.
  const resource = cluster.pools.find((candidate) => candidate.pool === pool)?.resource;
  const onNodes = resource === undefined ? 0 : (cluster.placement.pools.get(resource)?.all.reduce((sum, pods) => sum + pods, 0) ?? 0);
  const present = onNodes === 0 ? pool.count * maxPods : onNodes;
  return (nodes, day) => Math.max(nodes, Math.ceil((present + amount * part * elapsed(day)) / maxPods - rounding));
}

/** Fractions that are whole numbers but for rounding. */
const rounding = 1e-9;

function between(points: readonly { readonly day: number; readonly nodes: number }[]): Track {
  const sorted = [...points].sort((a, b) => a.day - b.day);
  return (day) => {
    const next = sorted.findIndex((point) => point.day > day);
    const [before, after] = next < 0 ? [sorted.at(-1), undefined] : [sorted[next - 1], sorted[next]];
    if (before === undefined) return after?.nodes ?? 0;
    if (after === undefined) return before.nodes;
    return Math.floor(before.nodes + ((after.nodes - before.nodes) * (day - before.day)) / (after.day - before.day) + rounding);
  };
}

type Event = { readonly isReached: (counts: Counts) => boolean; readonly text: string };

/** The autoscaler makes no more nodes than it may, whatever the pods need. */
function autoscalerEvents(pools: readonly Pool[]): readonly Event[] {
  return pools
    .filter(({ count, maxCount }) => maxCount > count)
    .map((pool) => ({
      isReached: (counts) => counts(pool) > pool.maxCount,
      text: `pool ${pool.cluster}/${pool.name} needs more than its maxCount of ${pool.maxCount} nodes`,
    }));
}

/** Where the table of default ports gives every node half of what it had. Surge nodes are nodes of the pool, too. */
function cliffEvents({ clusters }: Design): readonly Event[] {
  return clusters.flatMap(({ resource, pools }) => {
    const { outboundType, loadBalancerProfile } = resource.properties.networkProfile;
    if (outboundType !== "loadBalancer" || loadBalancerProfile.allocatedOutboundPorts !== 0) return [];
    const nodes = (counts: Counts) => pools.reduce((sum, { pool }) => sum + counts(pool), 0);
    const surge = (counts: Counts) => Math.max(0, ...pools.map(({ pool }) => surgeNodes(pool.surge, counts(pool))));
    return defaultPorts.slice(0, -1).map(([largest, from], index) => ({
      isReached: (counts: Counts) => nodes(counts) + surge(counts) > largest,
      text: `an upgrade brings cluster ${resource.name} past ${largest} nodes: outbound ports of each fall from ${from} to ${defaultPorts[index + 1]?.[1] ?? 0}, and connections break`,
    }));
  });
}

function growthTexts({ rates, counts }: Growth): readonly string[] {
  const texts = rates.map(({ amount, unit, per, cluster, pool }) => {
    const where = cluster === undefined ? "" : `${cluster}${pool === undefined ? "" : `/${pool}`}: `;
    return `${where}${amount}${unit === "percent" ? " %" : ` ${unit}`} a ${per}`;
  });
  const [first, last] = [counts[0], counts.at(-1)];
  return first === undefined || last === undefined ? texts : [...texts, `counts of ${first.date} to ${last.date}`];
}

function dateAfter(from: string, days: number): string {
  return isoDate(Date.parse(from) + days * dayMs);
}

/** The same day of a later month, or that month's last. */
function monthsAfter(from: string, months: number): string {
  const [year = 0, month = 1, day = 1] = from.split("-").map(Number);
  const last = new Date(Date.UTC(year, month + months, 0)).getUTCDate();
  return isoDate(Date.UTC(year, month - 1 + months, Math.min(day, last)));
}

/** Calendar months in so many days, with the part of the last one. */
function monthsIn(from: string, days: number): number {
  const to = dateAfter(from, days);
  const [[year = 0, month = 0], [toYear = 0, toMonth = 0]] = [from.split("-").map(Number), to.split("-").map(Number)];
  const calendar = (toYear - year) * 12 + toMonth - month;
  const whole = monthsAfter(from, calendar) > to ? calendar - 1 : calendar;
  const start = monthsAfter(from, whole);
  return whole + daysBetween(start, to) / daysBetween(start, monthsAfter(from, whole + 1));
}

function isoDate(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / dayMs);
}
