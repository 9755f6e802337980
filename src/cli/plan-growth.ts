/** Growth as the command line says it: `10/month`, `5%/month`, `shop/np1=200 pods/week`, and a file of counts over time. */

import { parse } from "yaml";
import type { CountsOn, Rate } from "../plan/index.ts";
import { Failure } from "./failure.ts";

/** `[CLUSTER[/POOL]=]AMOUNT[% | nodes | pods]/(week | month | year)`. Without a unit: nodes. */
export function parseRate(text: string): Rate {
  const match = /^(?:([^=/]+)(?:\/([^=/]+))?=)?(\d{1,9}(?:\.\d{1,4})?)\s*(%|nodes?|pods?)?\/(week|month|year)$/.exec(text.trim());
  if (match === null) {
    const fix = "write it like 10/month, 5%/month, 200 pods/week or shop/np1=10/month";
    throw new Failure("usage", `${JSON.stringify(text)} is no growth`, { fix });
  }
  const [, cluster, pool, amount, unit = "nodes", per] = match;
  return {
    amount: Number(amount),
    unit: unit === "%" ? "percent" : unit.startsWith("pod") ? "pods" : "nodes",
    per: per as Rate["per"],
    ...(cluster === undefined ? {} : { cluster }),
    ...(pool === undefined ? {} : { pool }),
  };
}

export function parseDate(text: string): string {
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text));
  if (!isDate) throw new Failure("usage", `${text} is no date`, { fix: "write it like 2024-06-30" });
  return text;
}

/**
 * A list, in YAML or JSON:
 *
 * ```yaml
 * - { date: 2027-01-01, pools: { shop/np1: 40, shop/np2: 12 } }
 * - { date: 2027-07-01, pools: { shop/np1: 90 } }
 * ```
 */
export function parseCounts(path: string, text: string): readonly CountsOn[] {
  const fail = (what: string): never => {
    const fix = "write a list of { date: 2027-01-01, pools: { CLUSTER/POOL: NODES } }";
    throw new Failure("documents", `${path}: ${what}`, { fix });
  };
  let data: unknown;
  try {
    data = parse(text, { maxAliasCount: 0, schema: "core" });
  } catch (error) {
    return fail(error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
  }
  if (!Array.isArray(data)) return fail("counts over time are a list");
  return data.map((entry: unknown, index): CountsOn => {
    const where = `entry ${index + 1}`;
    if (!isMapping(entry)) return fail(`${where} is no mapping`);
    const { date, pools } = entry;
    if (typeof date !== "string" || !/^\d{4}-\d{2}-\d{2}$/.test(date) || Number.isNaN(Date.parse(date)))
      return fail(`${where} has no date`);
    if (!isMapping(pools)) return fail(`${where} has no pools`);
    const counts: Record<string, number> = {};
    for (const [pool, count] of Object.entries(pools)) {
      if (typeof count !== "number" || !Number.isInteger(count) || count < 0) return fail(`${where}: ${pool} has no number of nodes`);
      counts[pool] = count;
    }
    return { date, pools: counts };
  });
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
