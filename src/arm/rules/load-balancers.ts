/** Rules of load balancers of one's own: those that AKS makes are made right. */

import { parseAddress } from "../../net/address.ts";
import { parsePrefix, prefixContains } from "../../net/prefix.ts";
import { limits } from "../limits.ts";
import { addressTag, lastSegment, machineInterface, subnetTag } from "../names.ts";
import type { LoadBalancer } from "../resources.ts";
import type { Report } from "./problem.ts";
import { isReserved } from "./surroundings.ts";
import { type AzureView, parentOf, sameId, subnetLabel } from "./view.ts";

const docs = "learn:azure/load-balancer/components";
const haPorts = "learn:azure/load-balancer/load-balancer-ha-ports-overview";

/** The machines behind a load balancer. */
export function backendsOf(view: AzureView, { properties }: LoadBalancer): AzureView["machines"] {
  return view.machines.filter((machine) =>
    properties.backendAddressPools.some((pool) =>
      pool.properties.backendIPConfigurations.some((one) =>
        one.id.toLowerCase().startsWith(`${machineInterface(machine.id)}/`.toLowerCase()),
      ),
    ),
  );
}

export function checkLoadBalancers(view: AzureView, report: Report): void {
  const taken = new Map<string, string>();
  for (const balancer of view.loadBalancers) {
    checkFrontend(view, balancer, taken, report);
    checkBackends(view, balancer, report);
    checkPorts(balancer, report);
  }
}

function checkFrontend(view: AzureView, { id, name, properties }: LoadBalancer, taken: Map<string, string>, report: Report): void {
  const [frontend] = properties.frontendIPConfigurations;
  const { privateIPAddress: text = "", subnet: reference } = frontend?.properties ?? {};
  const subnet = view.subnet(reference?.id ?? "");
  const prefix = parsePrefix(subnet?.properties.addressPrefix ?? "");
  if (subnet === undefined || prefix === undefined) return;
  const refuse = (code: string, message: string, source = docs) =>
    report({ id, property: ["address"], code, severity: "error", value: text, message, source, fix: "use a free address of the subnet" });
  const address = parseAddress(text);
  const label = `subnet ${subnetLabel(subnet.id)}, ${prefix}`;
  if (address === undefined) refuse("InvalidParameter", `${JSON.stringify(text)} is no IPv4 address`);
  else if (!prefixContains(prefix, address)) refuse("PrivateIPAddressNotInSubnet", `${address} is not in ${label}`);
  else if (isReserved(prefix, address)) {
    const message = `${address} is one of the ${limits.reservedAddresses.value} addresses that Azure keeps of ${label}`;
    refuse("PrivateIPAddressInReservedRange", message, limits.reservedAddresses.source);
  }
  const machine = view.machines.find(({ tags }) => tags?.[addressTag] === text && sameId(tags[subnetTag] ?? "", subnet.id));
  const key = `${subnet.id.toLowerCase()} ${text}`;
  const other = machine?.name ?? taken.get(key);
  if (other !== undefined) refuse("PrivateIPAddressInUse", `${other} and load balancer ${name} both want ${text}`);
  taken.set(key, name);
}

/** A pool is of one VNet, and that is the frontend's (Azure docs: load-balancer/backend-pool-management). */
function checkBackends(view: AzureView, balancer: LoadBalancer, report: Report): void {
  const { id, name, properties } = balancer;
  const network = parentOf(properties.frontendIPConfigurations[0]?.properties.subnet?.id ?? "");
  for (const machine of backendsOf(view, balancer)) {
    if (sameId(parentOf(machine.tags?.[subnetTag] ?? ""), network)) continue;
    report({
      id,
      property: ["machines"],
      code: "InvalidParameter",
      severity: "error",
      value: machine.name,
      message: `machine ${machine.name} is not in VNet ${lastSegment(network)}, where load balancer ${name} has its frontend`,
      source: "learn:azure/load-balancer/backend-pool-management",
      fix: "put machines of the frontend's VNet behind it",
    });
  }
}

function checkPorts({ id, name, properties }: LoadBalancer, report: Report): void {
  const taken = new Map<string, string>();
  for (const [index, rule] of properties.loadBalancingRules.entries()) {
    const { protocol, frontendPort, backendPort } = rule.properties;
    const isAllPorts = protocol === "All";
    const at = (property: string) => ({ id, property: ["rules", index, property], severity: "error", source: docs }) as const;
    for (const [property, value] of [
      ["frontendPort", frontendPort],
      ["backendPort", backendPort],
    ] as const) {
      if (isAllPorts ? value === 0 : value >= 1 && value <= 65_535) continue;
      const message = isAllPorts ? `${property} of a rule for all protocols is 0, not ${value}` : `${property} ${value} is no port`;
      report({ ...at(property), code: "InvalidParameter", value, message, fix: isAllPorts ? "leave it out" : "use 1 to 65535" });
    }
    const others = properties.loadBalancingRules.length - 1;
    if (isAllPorts && others > 0) {
      report({
        ...at("protocol"),
        code: "RulesUseSameBackendPortProtocolAndPool",
        value: protocol,
        message: `rule ${rule.name} of load balancer ${name} takes all ports (high-availability ports); with ${others} more of the same frontend and machines Azure refuses it`,
        source: haPorts,
        fix: "leave the other rules out, or use a load balancer of their own",
      });
    }
    const key = `${protocol} ${frontendPort}`;
    const other = taken.get(key);
    if (other !== undefined) {
      const message = `rules ${other} and ${rule.name} of load balancer ${name} both take port ${frontendPort}/${protocol.toLowerCase()}`;
      report({
        ...at("frontendPort"),
        code: "RulesUseSameFrontendPortProtocolAndFrontendIPConfig",
        value: frontendPort,
        message,
        fix: "give one of them another port",
      });
    }
    taken.set(key, rule.name);
  }
}
