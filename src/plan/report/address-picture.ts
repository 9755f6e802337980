/**
 * The address space as pictures to scale: each VNet with its subnets, each subnet with who holds what of it, what it grows by, what the surge of an
 * upgrade takes, and what is free; the pod CIDR with the prefix of each node; the service CIDR.
 *
 * A subnet of 32 addresses in a VNet of 65,536 is half a pixel. So a VNet is drawn twice: as a strip, to its own scale, with numbers; and below, each
 * numbered subnet to its own.
 */

import { ipv4Number } from "../../net/address.ts";
import { addressOf, type Prefix, sizeOf } from "../../net/prefix.ts";
import type { Block } from "../../render/document.ts";
import type { Markup } from "../../render/markup.ts";
import { type LegendItem, legend, type Part, stackedBar } from "../../render/strip.ts";
import { fitted, type Hue, hueAt, label, path, rect, textWidth } from "../../render/svg.ts";
import type { Amounts, Budget, ClusterPlan, NetworkPlan, Plan, Block as PlanBlock, SubnetPlan } from "../model.ts";
import { count } from "./words.ts";

const width = 1060;
const names = 176;
const bar = width - names - 8;
/** More subnets than these are in the table only. */
const mostRows = 60;

/** One figure for each VNet, and one for the ranges of clusters that are not of a VNet. */
export function addressFigures(plan: Plan): readonly Block[] {
  return [...plan.networks.map((network) => networkFigure(network, huesOf(plan))), ...rangesFigure(plan)];
}

/** A holder has its hue wherever it is shown. */
function huesOf(plan: Plan): ReadonlyMap<string, Hue> {
  const holders = plan.networks.flatMap(({ subnets }) => subnets.flatMap(({ blocks }) => blocks.flatMap(({ holder }) => holder ?? [])));
  return new Map([...new Set(holders)].map((holder, index) => [holder, hueAt(index)]));
}

function networkFigure(network: NetworkPlan, hues: ReadonlyMap<string, Hue>): Block {
  const shapes: Markup[] = [];
  const total = network.prefixes.reduce((sum, prefix) => sum + sizeOf(prefix), 0);
  const title = fitted(`VNet ${network.name}`, bar / 2, 15);
  const subnets = `${network.subnets.length} ${network.subnets.length === 1 ? "subnet" : "subnets"}`;
  shapes.push(label(0, 18, title, "large"));
  shapes.push(label(Math.max(names, textWidth(title, 16) + 20), 18, `${count(total)} addresses, ${subnets}`, "soft"));
  let y = 30;
  for (const prefix of network.prefixes.filter(isDrawn)) {
    shapes.push(...networkStrip(network, prefix, y));
    y += 54;
  }
  y += 4;
  for (const [index, subnet] of network.subnets.slice(0, mostRows).entries()) {
    const row = subnetRow(subnet, index + 1, y, hues);
    shapes.push(...row.shapes);
    y += row.height;
  }
  if (network.subnets.length > mostRows) {
    shapes.push(label(names, y + 12, `and ${network.subnets.length - mostRows} more: see the table`, "soft"));
    y += 22;
  }
  const rows = network.subnets.flatMap((subnet, index) =>
    subnet.blocks.map((block) => [`${index + 1} ${subnet.name}`, subnet.prefix, blockWords(block), count(block.addresses)]),
  );
  return {
    kind: "figure",
    picture: {
      title: `Addresses of VNet ${network.name}`,
      description: `${network.prefixes.join(", ")}: ${network.subnets.map(subnetWords).join("; ")}`,
      width,
      height: y + 4,
      shapes,
    },
    instead: {
      heads: ["Subnet", "Prefix", "What", "Addresses"],
      rows: [...rows, ...network.unallocated.map((prefix) => ["in no subnet", prefix, "free", count(sizeOf(prefix))])],
      align: ["left", "left", "left", "right"],
    },
  };
}

function subnetWords({ name, prefix, blocks }: SubnetPlan): string {
  return `${name} ${prefix} (${blocks.map((block) => `${blockWords(block)} ${block.addresses}`).join(", ")})`;
}

/** One prefix of the address space to scale, with its subnets where they are. */
function networkStrip(network: NetworkPlan, prefix: Prefix, y: number): readonly Markup[] {
  const box = { x: names, y: y + 16, width: bar, height: 18 };
  const shapes = [label(0, y + 30, prefix, "mono"), rect(box, "free", { title: `${prefix}: ${count(sizeOf(prefix))} addresses` })];
  const [start, size] = [numberOf(prefix), sizeOf(prefix)];
  let lastLabel = Number.NEGATIVE_INFINITY;
  for (const [index, subnet] of network.subnets.entries()) {
    const at = numberOf(subnet.prefix) - start;
    if (at < 0 || at >= size) continue;
    const x = box.x + (at / size) * box.width;
    const wide = (subnet.size / size) * box.width;
    shapes.push(
      rect({ x, y: box.y, width: wide, height: box.height }, "part kept", {
        title: `${subnet.name} ${subnet.prefix}: ${count(subnet.size)} addresses`,
      }),
    );
    // A hairline shows where a subnet begins that is thinner than a pixel.
    shapes.push(path(`M${round(x)} ${box.y - 3}V${box.y + box.height}`, "link"));
    const middle = x + wide / 2;
    const text = String(index + 1);
    if (middle - lastLabel < textWidth(text, 10.5) + 5) continue;
    shapes.push(label(middle, box.y - 5, text, "small soft", "middle"));
    lastLabel = middle;
  }
  shapes.push(rect(box, "outline"));
  return shapes;
}

function subnetRow(
  subnet: SubnetPlan,
  number: number,
  y: number,
  hues: ReadonlyMap<string, Hue>,
): { readonly shapes: readonly Markup[]; readonly height: number } {
  const box = { x: names, y, width: bar, height: 24 };
  const parts = subnet.blocks.map((block) => partOf(block, hues));
  const own = subnet.name.slice(subnet.name.indexOf("/") + 1);
  const shapes: Markup[] = [
    label(0, y + 11, String(number), "small soft"),
    label(20, y + 11, fitted(own, names - 30), "strong"),
    label(
      20,
      y + 25,
      fitted(`${subnet.prefix}${subnet.exclusive === undefined ? "" : `, ${subnet.exclusive}`}`, names - 28, 11.5),
      "small mono soft",
    ),
    ...stackedBar(box, parts),
  ];
  const needed = subnet.blocks.reduce((sum, { addresses }) => sum + addresses, 0);
  if (needed > subnet.size) {
    const end = box.x + (subnet.size / needed) * box.width;
    shapes.push(path(`M${round(end)} ${y - 4}V${y + 28}`, "badline"));
    shapes.push(
      rect({ x: end, y, width: box.x + box.width - end, height: box.height }, "badline", {
        title: `${count(needed - subnet.size)} addresses are missing`,
      }),
    );
  }
  const items = subnet.blocks.flatMap((block, index) => (isLast(subnet.blocks, index) ? [] : legendItem(block, subnet.blocks, hues)));
  const missing = needed > subnet.size ? [{ text: `missing ${count(needed - subnet.size)}`, classes: "bad" }] : [];
  const below = legend(names, y + 28, bar, [...items, ...missing]);
  return { shapes: [...shapes, ...below.shapes], height: 28 + below.height + 9 };
}

/** Azure's last address belongs to its first four, in words. */
function isLast(blocks: readonly PlanBlock[], index: number): boolean {
  return index > 0 && index === blocks.length - 1 && blocks[index]?.kind === "reserved";
}

function legendItem(block: PlanBlock, all: readonly PlanBlock[], hues: ReadonlyMap<string, Hue>): LegendItem {
  const { classes, over } = partOf(block, hues);
  const addresses =
    block.kind === "reserved" ? all.reduce((sum, one) => sum + (one.kind === "reserved" ? one.addresses : 0), 0) : block.addresses;
  return { text: amountWords(block, addresses), classes, ...(over === undefined ? {} : { over }) };
}

function partOf(block: PlanBlock, hues: ReadonlyMap<string, Hue>): Part {
  const { kind, addresses, holder } = block;
  const hue = hues.get(holder ?? "") ?? "a";
  const title = `${blockWords(block)}: ${count(addresses)} addresses`;
  switch (kind) {
    case "reserved":
      return { amount: addresses, title, classes: "kept" };
    case "free":
      return { amount: addresses, title, text: `free ${count(addresses)}`, classes: "free" };
    case "held":
      return { amount: addresses, title, text: amountWords(block, addresses), classes: hue };
    case "growth":
      return { amount: addresses, title, text: `+${count(addresses)}`, classes: `${hue} pale` };
    case "surge":
      return { amount: addresses, title, classes: hue, over: "stripes" };
    default:
      throw new Error(`unknown block ${String(kind satisfies never)}`);
  }
}

/** `pool shop/np1 93`; `3 machines` says how many itself. */
function amountWords(block: PlanBlock, addresses: number): string {
  const words = blockWords(block);
  return words.startsWith(`${addresses} `) ? words : `${words} ${count(addresses)}`;
}

function blockWords({ kind, holder = "" }: PlanBlock): string {
  const words = { reserved: "kept by Azure", free: "free", held: holder, growth: `growth of ${holder}`, surge: `surge of ${holder}` };
  return words[kind];
}

/** Pod CIDRs with a prefix for each node, and service CIDRs. */
function rangesFigure(plan: Plan): readonly Block[] {
  const ranges = plan.clusters.flatMap((cluster) =>
    plan.budgets
      .filter(({ cluster: owner, kind }) => owner === cluster.name && (kind === "podCidr" || kind === "serviceCidr"))
      .map((budget) => ({ cluster, budget })),
  );
  if (ranges.length === 0) return [];
  const shapes: Markup[] = [label(0, 18, "Ranges of clusters", "large")];
  let y = 36;
  for (const { cluster, budget } of ranges) {
    const row = rangeRow(cluster, budget, y, plan.clusters.indexOf(cluster));
    shapes.push(...row.shapes);
    y += row.height;
  }
  const rows = ranges.map(({ cluster, budget: { kind, capacity, used, left, unit } }) => [
    cluster.name,
    kind === "podCidr" ? "pods" : "Services",
    rangeOf(cluster, kind),
    `${count(capacity)} ${kind === "podCidr" ? "nodes" : unit}`,
    count(used.now),
    count(used.maxUpgrade),
    count(left.maxUpgrade),
  ]);
  return [
    {
      kind: "figure",
      picture: {
        title: "Pod CIDRs and service CIDRs",
        description: ranges
          .map(
            ({ cluster, budget: { name, used, capacity } }) =>
              `cluster ${cluster.name}, ${name}: ${used.now} of ${capacity} now, ${used.maxUpgrade} at most`,
          )
          .join("; "),
        width,
        height: y + 4,
        shapes,
      },
      instead: {
        heads: ["Cluster", "For", "Range", "Room for", "Now", "Largest upgrade", "Left"],
        rows,
        align: ["left", "left", "left", "right", "right", "right", "right"],
      },
    },
  ];
}

function rangeOf(cluster: ClusterPlan, kind: Budget["kind"]): string {
  return kind === "podCidr" ? (cluster.podCidr ?? "") : cluster.serviceCidr;
}

function rangeRow(
  cluster: ClusterPlan,
  { kind, capacity, used }: Budget,
  y: number,
  index: number,
): { readonly shapes: readonly Markup[]; readonly height: number } {
  const box = { x: names, y, width: bar, height: 24 };
  const isPods = kind === "podCidr";
  const hue = hueAt(index);
  const what = isPods ? "nodes" : "Services";
  const steps = stepsOf(used, capacity);
  const parts: Part[] = [
    { amount: steps.now, title: `${count(steps.now)} ${what}`, text: `${count(steps.now)} ${what}`, classes: hue },
    { amount: steps.growth, title: `growth: ${count(steps.growth)}`, text: `+${count(steps.growth)}`, classes: `${hue} pale` },
    { amount: steps.surge, title: `surge: ${count(steps.surge)}`, classes: hue, over: "stripes" },
    { amount: steps.free, title: `free: ${count(steps.free)}`, text: `free ${count(steps.free)}`, classes: "free" },
  ].filter(({ amount }) => amount > 0) as Part[];
  const total = parts.reduce((sum, { amount }) => sum + amount, 0);
  const shapes: Markup[] = [
    label(0, y + 11, fitted(`${cluster.name}: ${isPods ? "pods" : "Services"}`, names - 10), "strong"),
    label(0, y + 25, rangeOf(cluster, kind), "small mono soft"),
    ...stackedBar(box, parts),
  ];
  // A line for each node's prefix, while they can be told apart.
  if (isPods && bar / total >= 3) {
    const lines = Array.from({ length: total - 1 }, (_, line) => `M${round(box.x + ((line + 1) / total) * bar)} ${y}v24`).join("");
    shapes.push(path(lines, "thin"));
  }
  if (total > capacity) shapes.push(path(`M${round(box.x + (capacity / total) * bar)} ${y - 4}v32`, "badline"));
  const each = isPods ? `a /24 for each node, room for ${count(capacity)} nodes` : `room for ${count(capacity)} Services`;
  const below = legend(names, y + 28, bar, [
    { text: `${what} now ${count(steps.now)}`, classes: hue },
    ...(steps.growth > 0 ? [{ text: `growth ${count(steps.growth)}`, classes: `${hue} pale` }] : []),
    ...(steps.surge > 0 ? [{ text: `surge ${count(steps.surge)}`, classes: hue, over: "stripes" as const }] : []),
    { text: `free ${count(steps.free)}: ${each}`, classes: "free" },
  ]);
  return { shapes: [...shapes, ...below.shapes], height: 28 + below.height + 9 };
}

function stepsOf({ now, max, maxUpgrade }: Amounts, capacity: number) {
  return { now, growth: max - now, surge: maxUpgrade - max, free: Math.max(capacity - maxUpgrade, 0) };
}

/** An IPv6 prefix has no scale that a page could show. */
function isDrawn(prefix: Prefix): boolean {
  return ipv4Number(addressOf(prefix)) !== undefined;
}

function numberOf(prefix: Prefix): number {
  return ipv4Number(addressOf(prefix)) ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
