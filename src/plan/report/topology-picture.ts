/**
 * The surroundings as a picture: the Internet above, VNets side by side with what is in their subnets and how they are left, peerings as arcs between
 * them, on-premises sites below. The order is the documents', but for a VNet with several peerings, which stands in the middle; the same documents give
 * the same picture.
 */

import { lastSegment, publicAddressTag, subnetTag } from "../../arm/names.ts";
import type { AgentPool, ManagedCluster, Subnet, VirtualNetwork } from "../../arm/resources.ts";
import type { AzureView } from "../../arm/rules/view.ts";
import { parentOf, sameId } from "../../arm/rules/view.ts";
import { listArm, listKube } from "../../controllers/view.ts";
import { loadBalancerAccess } from "../../kube/load-balancer-access.ts";
import type { Block } from "../../render/document.ts";
import { element, type Markup } from "../../render/markup.ts";
import { fitted, type Hue, hueAt, label, path, rect, textWidth } from "../../render/svg.ts";
import type { Resources } from "../../resources/resources.ts";
import type { Plan } from "../model.ts";
import { count } from "./words.ts";

const column = 312;
const gap = 44;
const lineHeight = 17;
/** Of machines and the like in one subnet; more are counted. */
const mostItems = 6;

type Line = {
  readonly text: string;
  readonly mark: "pool" | "machine" | "gateway" | "out" | "in" | "note";
  readonly hue?: Hue;
  readonly nodes?: number;
};
type SubnetBox = { readonly name: string; readonly prefix: string; readonly lines: readonly Line[] };
type NetworkBox = {
  readonly id: string;
  readonly name: string;
  readonly prefixes: readonly string[];
  readonly out: readonly Line[];
  readonly subnets: readonly SubnetBox[];
  readonly leaves: boolean;
  readonly enters: boolean;
  readonly x: number;
  readonly height: number;
};

/** `view` and `resources` of the documents; figures from the plan. */
export function topologyFigure(view: AzureView, resources: Resources, plan: Plan): Block {
  const hues = new Map(plan.clusters.map(({ name }, index) => [name, hueAt(index)]));
  const networks = arranged(view).map((network, index) => networkBox(view, resources, plan, network, hues, index));
  const internetHosts = view.internetHosts.map(({ name, properties }) => `${name} ${properties.address}`);
  const sites = sitesOf(view);
  const arcs = peeringsOf(view, networks);
  const width = Math.max(networks.length * (column + gap) - gap, 420) + 4;
  const arcRoom = arcs.length === 0 ? 0 : 22 + 16 * Math.max(...arcs.map(({ from, to }) => Math.abs(from - to)));
  const top = 64 + 34 + arcRoom;
  const tallest = Math.max(0, ...networks.map(({ height }) => height));
  const siteTop = top + tallest + 44;
  const siteHeight = sites.length === 0 ? 0 : 30 + lineHeight * Math.max(...sites.map(({ lines }) => lines.length)) + 6;
  const shapes = [
    ...internetBox(internetHosts, width),
    ...networks.flatMap((network) => wayOut(network, top)),
    ...arcs.flatMap((arc) => arcShapes(arc, networks, top)),
    ...networks.flatMap((network) => networkShapes(network, top)),
    ...sites.flatMap((site) => siteShapes(site, sites, networks, { top, siteTop, siteHeight })),
  ];
  const rows = networks.flatMap(({ name, prefixes, out, subnets }) => [
    [`VNet ${name}`, prefixes.join(", "), out.map(({ text }) => text).join("; ")],
    ...subnets.map((subnet) => [`${name}/${subnet.name}`, subnet.prefix, subnet.lines.map(({ text }) => text).join("; ")]),
  ]);
  return {
    kind: "figure",
    picture: {
      title: "Topology",
      description: `${networks.length} VNets, ${plan.clusters.length} clusters, ${arcs.length} peerings, ${sites.length} sites`,
      width,
      height: (sites.length === 0 ? top + tallest : siteTop + siteHeight) + 6,
      shapes,
    },
    instead: {
      heads: ["Where", "Range", "What is there"],
      rows: [
        ["Internet", "", internetHosts.join("; ")],
        ...rows,
        ...arcs.map(({ from, to, words }) => [`peering ${networks[from]?.name} and ${networks[to]?.name}`, "", words]),
        ...sites.map(({ name, lines, network }) => [`site ${name}`, "", `behind VNet ${network}: ${lines.join("; ")}`]),
      ],
    },
  };
}

/** A VNet that several others are peered with stands between them. */
function arranged(view: AzureView): readonly VirtualNetwork[] {
  const degree = ({ id }: VirtualNetwork) => view.peerings.filter((peering) => sameId(parentOf(peering.id), id)).length;
  const hub = view.networks.reduce<VirtualNetwork | undefined>(
    (most, one) => (degree(one) > Math.max(1, most === undefined ? 0 : degree(most)) ? one : most),
    undefined,
  );
  if (hub === undefined) return view.networks;
  const others = view.networks.filter((one) => one !== hub);
  const half = Math.floor(others.length / 2);
  return [...others.slice(0, half), hub, ...others.slice(half)];
}

function networkBox(
  view: AzureView,
  resources: Resources,
  plan: Plan,
  network: VirtualNetwork,
  hues: ReadonlyMap<string, Hue>,
  index: number,
): NetworkBox {
  const subnets = view.subnetsOf(network).map((subnet) => subnetBox(view, resources, network, subnet, hues));
  const inside = new Set(view.subnetsOf(network).map(({ id }) => id.toLowerCase()));
  const clusters = view.clusters.filter((cluster) =>
    view.poolsOf(cluster).some(({ properties }) => inside.has(properties.vnetSubnetID.toLowerCase())),
  );
  const ways = clusters.map((cluster) => waysOf(resources, plan, cluster, hues.get(cluster.name) ?? "a"));
  const out = ways.flatMap(({ lines }) => lines);
  const hasPublicMachine =
    view.machines.some(({ tags }) => tags?.[publicAddressTag] !== undefined && inside.has((tags[subnetTag] ?? "").toLowerCase())) ||
    listArm(resources, "Microsoft.Network/networkInterfaces").some(({ properties }) =>
      properties.ipConfigurations.some(
        (one) => one.properties.publicIPAddress !== undefined && inside.has(one.properties.subnet.id.toLowerCase()),
      ),
    );
  const height =
    30 +
    lineHeight * network.properties.addressSpace.addressPrefixes.length +
    (out.length === 0 ? 0 : out.length * lineHeight + 8) +
    subnets.reduce((sum, { lines }) => sum + subnetHeight(lines.length) + 8, 0) +
    6;
  return {
    id: network.id,
    name: network.name,
    prefixes: network.properties.addressSpace.addressPrefixes,
    out,
    subnets,
    leaves: hasPublicMachine || ways.some(({ leaves }) => leaves),
    enters: hasPublicMachine || ways.some(({ enters }) => enters),
    x: 2 + index * (column + gap),
    height,
  };
}

type Ways = { readonly lines: readonly Line[]; readonly leaves: boolean; readonly enters: boolean };

/** How a cluster's packets leave by the VNet's own edge, and which come in by it. */
function waysOf(resources: Resources, plan: Plan, cluster: ManagedCluster, hue: Hue): Ways {
  const services = listKube(resources, cluster, "Service").filter(({ spec }) => spec.type === "LoadBalancer");
  const internal = services.filter((service) => loadBalancerAccess(service).isInternal).length;
  const published = services.length - internal;
  const { addresses } = plan.clusters.find(({ name }) => name === cluster.name)?.outbound ?? {};
  const { outboundType } = cluster.properties.networkProfile;
  const many = addresses === undefined ? "" : `, ${addresses} public ${addresses === 1 ? "address" : "addresses"}`;
  const out: Line = { text: `${cluster.name}: ${outboundType}${many}`, mark: "out", hue };
  const parts = [...(published > 0 ? [`${published} public`] : []), ...(internal > 0 ? [`${internal} internal`] : [])];
  const into: Line = { text: `${cluster.name}: ${parts.join(" and ")} ${services.length === 1 ? "Service" : "Services"}`, mark: "in", hue };
  // By routes of one's own they leave elsewhere, or not at all.
  const leaves = outboundType === "loadBalancer" || outboundType === "managedNATGateway" || outboundType === "userAssignedNATGateway";
  return { lines: services.length > 0 ? [out, into] : [out], leaves, enters: published > 0 };
}

function subnetHeight(lines: number): number {
  return 26 + lines * lineHeight + (lines > 0 ? 4 : 0);
}

function subnetBox(
  view: AzureView,
  resources: Resources,
  network: VirtualNetwork,
  subnet: Subnet,
  hues: ReadonlyMap<string, Hue>,
): SubnetBox {
  const isHere = (id: string | undefined) => id !== undefined && sameId(id, subnet.id);
  const lines: Line[] = [];
  const gateway = view.gatewayOf(network);
  if (gateway?.properties.ipConfigurations.some(({ properties }) => isHere(properties.subnet.id)) === true) {
    lines.push({ text: `${gateway.properties.gatewayType === "Vpn" ? "VPN" : "ExpressRoute"} gateway`, mark: "gateway" });
  }
  for (const cluster of view.clusters) {
    const hue = hues.get(cluster.name) ?? "a";
    for (const pool of view.poolsOf(cluster)) {
      const nodes = pool.properties.count;
      if (isHere(pool.properties.vnetSubnetID))
        lines.push({ text: `${cluster.name}/${pool.name}: ${nodesText(pool)}`, mark: "pool", hue, nodes });
      if (isHere(pool.properties.podSubnetID)) lines.push({ text: `pods of ${cluster.name}/${pool.name}`, mark: "pool", hue });
    }
  }
  const firewalls = new Set(view.firewalls.map(({ properties }) => properties.virtualMachine.id.toLowerCase()));
  // A machine without an interface of its own yet says by a tag where it will be.
  const interfaces = listArm(resources, "Microsoft.Network/networkInterfaces").filter(({ properties }) =>
    properties.ipConfigurations.some((one) => isHere(one.properties.subnet.id)),
  );
  const owners = new Set(
    interfaces.flatMap(({ properties }) =>
      [properties.virtualMachine?.id, properties.privateEndpoint?.id].flatMap((id) => id?.toLowerCase() ?? []),
    ),
  );
  const isIn = ({ id, tags }: { readonly id: string; readonly tags?: Readonly<Record<string, string>> }) =>
    owners.has(id.toLowerCase()) || isHere(tags?.[subnetTag]);
  const machines = view.machines.filter(isIn).map(({ id, name }) => (firewalls.has(id.toLowerCase()) ? `firewall ${name}` : `VM ${name}`));
  const endpoints = view.privateEndpoints.filter(isIn).map(({ name }) => `private endpoint ${name}`);
  const items = [...machines, ...endpoints];
  lines.push(...items.slice(0, mostItems).map((text): Line => ({ text, mark: "machine" })));
  if (items.length > mostItems) lines.push({ text: `and ${items.length - mostItems} more`, mark: "note" });
  const { routeTable, networkSecurityGroup, natGateway, delegations = [] } = subnet.properties;
  const attached = [
    ...(routeTable === undefined ? [] : [`route table ${lastSegment(routeTable.id)}`]),
    ...(networkSecurityGroup === undefined ? [] : [`NSG ${lastSegment(networkSecurityGroup.id)}`]),
    ...(natGateway === undefined ? [] : [`NAT gateway ${lastSegment(natGateway.id)}`]),
    ...delegations.map(({ properties }) => `delegated to ${lastSegment(properties.serviceName)}`),
  ];
  lines.push(...attached.map((text): Line => ({ text, mark: "note" })));
  return { name: subnet.name, prefix: subnet.properties.addressPrefix, lines };
}

function nodesText({ properties }: AgentPool): string {
  const { count: now, enableAutoScaling, maxCount, osType } = properties;
  const most = enableAutoScaling === true && maxCount !== undefined ? ` to ${count(maxCount)}` : "";
  return `${count(now)}${most} ${now === 1 && most === "" ? "node" : "nodes"}${osType === "Windows" ? ", Windows" : ""}`;
}

type Arc = { readonly from: number; readonly to: number; readonly words: string; readonly isWhole: boolean };

/** Both sides of a peering are one arc. */
function peeringsOf(view: AzureView, networks: readonly NetworkBox[]): readonly Arc[] {
  const indexOf = (id: string) => networks.findIndex((network) => sameId(network.id, id));
  const sides = view.peerings.map((peering) => ({
    peering,
    from: indexOf(parentOf(peering.id)),
    to: indexOf(peering.properties.remoteVirtualNetwork.id),
  }));
  const arcs = new Map<string, Arc>();
  for (const { from, to } of sides) {
    const [left, right] = [Math.min(from, to), Math.max(from, to)];
    if (left < 0 || arcs.has(`${left}-${right}`)) continue;
    const both = sides.filter((side) => Math.min(side.from, side.to) === left && Math.max(side.from, side.to) === right);
    const flags = (["allowForwardedTraffic", "allowGatewayTransit", "useRemoteGateways"] as const).flatMap((flag) => {
      const who = both.filter(({ peering }) => peering.properties[flag]).map((side) => networks[side.from]?.name ?? "");
      return who.length === 0 ? [] : [`${flag} of ${who.join(" and ")}`];
    });
    const isWhole = both.length > 1;
    arcs.set(`${left}-${right}`, {
      from: left,
      to: right,
      isWhole,
      words: [isWhole ? "both sides" : "one side only: nothing passes", ...flags].join("; "),
    });
  }
  return [...arcs.values()];
}

function arcShapes({ from, to, words, isWhole }: Arc, networks: readonly NetworkBox[], top: number): readonly Markup[] {
  const [left, right] = [networks[from], networks[to]];
  if (left === undefined || right === undefined) return [];
  const distance = to - from;
  const [x1, x2] = [left.x + column - 40 - 14 * Math.min(distance - 1, 4), right.x + 40 + 14 * Math.min(distance - 1, 4)];
  const y = top - 14 - 16 * distance;
  const title = element("title", {}, [`peering ${left.name} and ${right.name}: ${words}`]);
  const line = path(
    `M${x1} ${top}V${y + 8}Q${x1} ${y} ${x1 + 8} ${y}H${x2 - 8}Q${x2} ${y} ${x2} ${y + 8}V${top}`,
    isWhole ? "link" : "link dashed",
  );
  const text = isWhole ? "peering" : "half a peering";
  return [element("g", {}, [title, line, label(x1 + 10, y - 4, text, "small soft")])];
}

function internetBox(hosts: readonly string[], width: number): readonly Markup[] {
  const box = { x: 2, y: 2, width: width - 4, height: 44 };
  const shown = fitted(hosts.join("   "), box.width - 120, 10.5);
  return [rect(box, "panel", { round: 22 }), label(26, 29, "Internet", "strong"), label(104, 29, shown, "small mono soft")];
}

/** Between the VNet's edge and the Internet, with heads where packets go: out, in, or both. */
function wayOut({ x, leaves, enters }: NetworkBox, top: number): readonly Markup[] {
  if (!leaves && !enters) return [];
  const middle = x + column / 2;
  const heads = [
    ...(leaves ? [path(`M${middle - 4} 53L${middle} 46L${middle + 4} 53`, "link")] : []),
    ...(enters ? [path(`M${middle - 4} ${top - 7}L${middle} ${top}L${middle + 4} ${top - 7}`, "link")] : []),
  ];
  return [path(`M${middle} ${top}V46`, "link"), ...heads];
}

function networkShapes(network: NetworkBox, top: number): readonly Markup[] {
  const { x, name, prefixes, out, subnets, height } = network;
  const shapes: Markup[] = [
    rect({ x, y: top, width: column, height }, "panel", { round: 8, title: `VNet ${name}: ${prefixes.join(", ")}` }),
  ];
  shapes.push(label(x + 12, top + 20, fitted(`VNet ${name}`, column - 24, 13), "strong"));
  let y = top + 24;
  for (const prefix of prefixes) {
    shapes.push(label(x + 12, y + 12, prefix, "small mono soft"));
    y += lineHeight;
  }
  for (const line of out) {
    shapes.push(...lineShapes(line, x + 12, y, column - 24));
    y += lineHeight;
  }
  y += out.length > 0 ? 12 : 4;
  for (const subnet of subnets) {
    const box = { x: x + 8, y, width: column - 16, height: subnetHeight(subnet.lines.length) };
    shapes.push(rect(box, "box", { round: 5, title: `subnet ${subnet.name} ${subnet.prefix}` }));
    const own = fitted(subnet.name, box.width - textWidth(subnet.prefix, 11.5) - 26);
    shapes.push(label(box.x + 9, y + 17, own), label(box.x + box.width - 9, y + 17, subnet.prefix, "small mono soft", "end"));
    for (const [index, line] of subnet.lines.entries())
      shapes.push(...lineShapes(line, box.x + 9, y + 23 + index * lineHeight, box.width - 18));
    y += box.height + 8;
  }
  return shapes;
}

/** A mark and words; of a pool, a square for each node up to eight. */
function lineShapes({ text, mark, hue, nodes = 0 }: Line, x: number, y: number, room: number): readonly Markup[] {
  const marks: Markup[] = [];
  const colour: string = hue ?? "kept";
  if (mark === "machine") marks.push(rect({ x, y: y + 3, width: 9, height: 9 }, colour, { round: 2 }));
  else if (mark === "gateway") marks.push(path(`M${x + 4.5} ${y + 2}l5 5.5l-5 5.5l-5 -5.5z`, colour));
  else if (mark === "out") marks.push(path(`M${x} ${y + 8}h8m-3 -3.5l3.5 3.5l-3.5 3.5`, hue === undefined ? "link" : `line-${hue}`));
  else if (mark === "in") marks.push(path(`M${x + 8.5} ${y + 8}h-8m3 -3.5l-3.5 3.5l3.5 3.5`, hue === undefined ? "link" : `line-${hue}`));
  else if (mark === "pool") marks.push(rect({ x, y: y + 3, width: 9, height: 9 }, colour, { round: 4.5 }));
  const squares = mark === "pool" ? Math.min(nodes, 8) : 0;
  const squaresRoom = squares === 0 ? 0 : squares * 8 + 6;
  for (let index = 0; index < squares; index++)
    marks.push(
      rect(
        { x: x + room - squares * 8 + index * 8, y: y + 4, width: 6, height: 7 },
        `${colour}${nodes > 8 && index === 7 ? " pale" : ""}`,
        { round: 1 },
      ),
    );
  return [
    ...marks,
    label(x + (mark === "note" ? 0 : 16), y + 11.5, fitted(text, room - 16 - squaresRoom, 11), mark === "note" ? "small soft" : "small"),
  ];
}

type SiteBox = { readonly name: string; readonly network: string; readonly networkId: string; readonly lines: readonly string[] };

/** Behind which VNet's gateway each is. */
function sitesOf(view: AzureView): readonly SiteBox[] {
  return view.localGateways.map((local) => {
    const networkId = view.networkBehind(local)?.id ?? "";
    const site = view.sites.find(({ properties }) => sameId(properties.localNetworkGateway.id, local.id));
    const machines = (site?.properties.machines ?? []).map(({ name, address }) => `${name} ${address}`);
    const prefixes = local.properties.localNetworkAddressSpace.addressPrefixes;
    const more = [...prefixes.slice(0, 3), ...(prefixes.length > 3 ? [`and ${prefixes.length - 3} more`] : [])];
    return {
      name: site?.name ?? local.name,
      network: networkId === "" ? "nobody's" : lastSegment(networkId),
      networkId,
      lines: [...more, ...machines.slice(0, 4)],
    };
  });
}

/** Below the VNet that it is behind; several of one VNet share its width. */
function siteShapes(
  site: SiteBox,
  sites: readonly SiteBox[],
  networks: readonly NetworkBox[],
  { top, siteTop, siteHeight }: { readonly top: number; readonly siteTop: number; readonly siteHeight: number },
): readonly Markup[] {
  const network = networks.find(({ id }) => sameId(id, site.networkId)) ?? networks[0];
  if (network === undefined) return [];
  const siblings = sites.filter(({ networkId }) => networkId === site.networkId);
  const wide = (column - 8 * (siblings.length - 1)) / siblings.length;
  const position = siblings.indexOf(site);
  const box = { x: network.x + position * (wide + 8), y: siteTop, width: wide, height: siteHeight };
  const middle = box.x + wide / 2;
  return [
    path(`M${middle} ${top + network.height}V${siteTop}`, "link dashed"),
    ...(position === 0 ? [label(middle + 8, siteTop - 14, "by the gateway", "small soft")] : []),
    rect(box, "panel", { round: 8, title: `site ${site.name}: ${site.lines.join(", ")}` }),
    label(box.x + 10, siteTop + 19, fitted(`site ${site.name}`, wide - 16), "strong"),
    ...site.lines.map((line, row) => label(box.x + 10, siteTop + 36 + row * lineHeight, fitted(line, wide - 16, 10.5), "small mono soft")),
  ];
}
