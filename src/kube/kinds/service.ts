/** Services: what is valid (k8s, pkg/apis/core/validation, ValidateService), what is not modelled, what is filled in. */

import { familyOf, parseAddress } from "../../net/address.ts";
import { addressAt, addressOf, lastAddressOf, parseLoosePrefix, prefixContains } from "../../net/prefix.ts";
import { type Field, isObject, words } from "../field.ts";
import { dns1035Label, dnsLabel, dnsSubdomain, portName, qualifiedName } from "../names.ts";
import { checkLabels } from "../selectors.ts";
import type { JsonObject, Kind } from "./kind.ts";
import { checkServiceAnnotations } from "./service-annotations.ts";

const specFields = words(`
  ports selector clusterIP clusterIPs type externalIPs sessionAffinity loadBalancerIP loadBalancerSourceRanges
  externalName externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses sessionAffinityConfig ipFamilies
  ipFamilyPolicy allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy trafficDistribution
`);

const types = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] as const;
type Type = (typeof types)[number];

const nodePortRange = { min: 30000, max: 32767 } as const;
/** Seconds; three hours when nothing is said. */
const affinityTimeout = { min: 1, max: 86_400, default: 10_800 } as const;

export const service: Kind = {
  kind: "Service",
  apiVersion: "v1",
  isNamespaced: true,
  name: dns1035Label,
  fields: ["spec"],
  check: (object) => {
    const spec = object.get("spec");
    if (!spec.require() || spec.object() === undefined) return;
    spec.known(specFields);
    for (const [key, field] of object.get("metadata", "annotations").entries()) {
      field.text();
      const problem = qualifiedName(key.toLowerCase());
      if (problem !== undefined) field.report("FieldValueInvalid", `annotation key ${JSON.stringify(key)}: ${problem}`);
    }
    checkServiceAnnotations(object);
    const type: Type = spec.get("type").choice(types) ?? "ClusterIP";
    const isHeadless = spec.get("clusterIP").value === "None";
    checkLabels(spec.get("selector"));
    checkAddresses(spec, type, isHeadless);
    checkPorts(spec, type, isHeadless);
    checkAffinity(spec);
    checkPolicies(spec, type);
  },
  checkInCluster: (object, { serviceCidr, ipv6ServiceCidr, dnsServiceIP }) => {
    checkFamilies(object, ipv6ServiceCidr !== undefined);
    const fix = "leave clusterIP out, and one is chosen";
    for (const field of object.get("spec", "clusterIPs").items()) {
      const address = typeof field.value === "string" ? parseAddress(field.value) : undefined;
      if (address === undefined || ipv6ServiceCidr === undefined || familyOf(address) === 4) continue;
      if (prefixContains(ipv6ServiceCidr, address)) continue;
      const range = `the range of valid IPs is ${ipv6ServiceCidr}`;
      field.report("FieldValueInvalid", `the provided IP (${address}) is not in the valid range: ${range}`, { fix });
    }
    const field = object.get("spec", "clusterIP");
    const address = typeof field.value === "string" ? parseAddress(field.value) : undefined;
    if (address === undefined || serviceCidr === undefined) return;
    if (familyOf(address) === 6 && ipv6ServiceCidr !== undefined) return;
    if (!prefixContains(serviceCidr, address) || address === addressOf(serviceCidr) || address === lastAddressOf(serviceCidr)) {
      field.report(
        "FieldValueInvalid",
        `the provided IP (${address}) is not in the valid range: the range of valid IPs is ${serviceCidr}`,
        { fix },
      );
    }
    const path = `${object.get("metadata", "namespace").value}/${object.get("metadata", "name").value}`;
    if (address === dnsServiceIP && path !== "kube-system/kube-dns") {
      field.report("FieldValueInvalid", `failed to allocate IP ${address}: it is the cluster's DNS Service's`, { fix });
    }
    if (address === addressAt(serviceCidr, 1)) {
      field.report("FieldValueInvalid", `failed to allocate IP ${address}: it is that of the API server's Service, default/kubernetes`, {
        fix,
      });
    }
  },
  complete,
  kept: ({ metadata, spec }) => {
    if (isObject(metadata) && metadata.name === "kubernetes" && metadata.namespace === "default") {
      return { why: "the API server's own Service; every cluster has it", isLeftOut: true };
    }
    return isObject(spec) && spec.type === "ExternalName"
      ? { why: "a name in DNS and nothing more; names are not resolved in a lab", isLeftOut: false }
      : undefined;
  },
};

/** pkg/registry/core/service/storage/alloc.go: what a cluster of one family refuses. */
function checkFamilies(object: Field, isDualStack: boolean): void {
  if (isDualStack) return;
  const fix = "leave it out, or give the cluster ipFamilies: [IPv4, IPv6]";
  for (const family of object.get("spec", "ipFamilies").items()) {
    if (family.value === "IPv6") family.report("FieldValueInvalid", "not configured on this cluster", { fix });
  }
  const policy = object.get("spec", "ipFamilyPolicy");
  if (policy.value === "RequireDualStack")
    policy.report("FieldValueInvalid", "this cluster is not configured for dual-stack services", { fix });
}

function checkAddresses(spec: Field, type: Type, isHeadless: boolean): void {
  const clusterIP = spec.get("clusterIP");
  const text = clusterIP.text();
  if (isHeadless && (type === "NodePort" || type === "LoadBalancer")) {
    clusterIP.report("FieldValueInvalid", `may not be set to 'None' for ${type} services`);
  } else if (text !== undefined && text !== "" && !isHeadless) {
    if (type === "ExternalName") clusterIP.report("FieldValueForbidden", "may not be set for ExternalName services");
    checkIp(clusterIP, text);
  }
  const plural = spec.get("clusterIPs").items();
  if (plural.length > 2) spec.get("clusterIPs").report("FieldValueInvalid", "may only hold up to 2 values");
  for (const one of plural) {
    const value = one.text();
    if (value !== undefined && value !== "None") checkIp(one, value);
  }
  if (plural[0] !== undefined && plural[0].value !== text) {
    plural[0].report("FieldValueInvalid", "first value must match `clusterIP`", { fix: "give clusterIP alone" });
  }
  const families = spec.get("ipFamilies").items();
  const values = families.map((family) => family.choice(["IPv4", "IPv6"]));
  if (values.length === 2 && values[0] === values[1]) families[1]?.report("FieldValueDuplicate", `Duplicate value: "${values[1]}"`);
  const policy = spec.get("ipFamilyPolicy");
  if (policy.choice(["SingleStack", "PreferDualStack", "RequireDualStack"]) === "SingleStack" && values.length > 1) {
    policy.report("FieldValueInvalid", "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified");
  }
  const name = spec.get("externalName");
  if (type === "ExternalName") {
    if (name.require()) name.matches((value) => dnsSubdomain(value.replace(/\.$/, "")));
  } else name.text();
  for (const item of spec.get("externalIPs").items()) {
    const address = item.text();
    if (address === undefined) continue;
    if (checkIp(item, address) && /^(127\.|0\.0\.0\.0$|169\.254\.|22[4-9]\.|23\d\.)/.test(address)) {
      item.report("FieldValueInvalid", "may not be unspecified, loopback, link-local or multicast");
    }
  }
  const balancerIP = spec.get("loadBalancerIP");
  const balancerText = balancerIP.text();
  if (balancerText !== undefined && balancerText !== "") checkIp(balancerIP, balancerText);
  const ranges = spec.get("loadBalancerSourceRanges");
  if (ranges.isPresent && type !== "LoadBalancer") {
    ranges.report("FieldValueForbidden", "may only be used when `type` is 'LoadBalancer'");
  }
  for (const range of ranges.items()) {
    const value = range.text()?.trim();
    const prefix = value === undefined ? undefined : parseLoosePrefix(value);
    if (value !== undefined && prefix === undefined) {
      range.report("FieldValueInvalid", "must be a valid CIDR value, (e.g. 10.9.8.0/24)");
    }
  }
}

function checkIp(field: Field, text: string): boolean {
  const address = parseAddress(text);
  if (address === undefined) field.report("FieldValueInvalid", "must be a valid IP address, (e.g. 10.9.8.7)");
  return address !== undefined;
}

const protocols = ["TCP", "UDP", "SCTP"] as const;

function checkPorts(spec: Field, type: Type, isHeadless: boolean): void {
  const ports = spec.get("ports").items();
  if (ports.length === 0 && !isHeadless && type !== "ExternalName")
    spec.get("ports").report("FieldValueRequired", "a Service needs at least one port");
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  for (const port of ports) {
    if (port.object() === undefined) continue;
    port.known(["name", "protocol", "appProtocol", "port", "targetPort", "nodePort"]);
    const name = port.get("name");
    if (ports.length > 1 && (name.value ?? "") === "") name.report("FieldValueRequired", "with more than one port each needs a name");
    else if (name.value !== "") {
      const text = name.matches(dnsLabel);
      if (text !== undefined && names.has(text)) name.report("FieldValueDuplicate", `another port is called ${JSON.stringify(text)}`);
      if (text !== undefined) names.add(text);
    }
    const protocol = port.get("protocol").choice(protocols) ?? "TCP";
    if (protocol === "SCTP") port.get("protocol").notModelled("SCTP", "use TCP or UDP");
    port.get("appProtocol").matches(qualifiedName);
    const number = port.get("port");
    const value = number.require() ? number.number(1, 65535) : undefined;
    if (value !== undefined) {
      const key = `${value}/${protocol}`;
      if (numbers.has(key)) number.report("FieldValueDuplicate", `another port is ${key} too`);
      numbers.add(key);
    }
    const target = port.get("targetPort");
    if (typeof target.value === "string" && /^\d+$/.test(target.value)) {
      target.report("FieldValueInvalid", "must contain at least one letter (a-z)", { fix: `a number has no quotes: ${target.value}` });
    } else if (typeof target.value === "string") target.matches(portName);
    else target.number(1, 65535);
    const nodePort = port.get("nodePort");
    const onNode = nodePort.integer();
    if (onNode === undefined || onNode === 0) continue;
    if (type !== "NodePort" && type !== "LoadBalancer") {
      nodePort.report("FieldValueForbidden", `may not be used when \`type\` is '${type}'`);
    } else if (onNode < nodePortRange.min || onNode > nodePortRange.max) {
      nodePort.report(
        "FieldValueInvalid",
        `provided port is not in the valid range: the range of valid ports is ${nodePortRange.min}-${nodePortRange.max}`,
      );
    }
    const key = `${onNode}/${protocol}`;
    if (nodePorts.has(key)) nodePort.report("FieldValueDuplicate", `another port has node port ${key} too`);
    nodePorts.add(key);
  }
}

function checkAffinity(spec: Field): void {
  const affinity = spec.get("sessionAffinity").choice(["None", "ClientIP"]) ?? "None";
  const config = spec.get("sessionAffinityConfig");
  if (affinity === "None") {
    if (config.isPresent) config.report("FieldValueForbidden", "must not be set when session affinity is None");
    return;
  }
  config.get("clientIP", "timeoutSeconds").number(affinityTimeout.min, affinityTimeout.max);
}

function checkPolicies(spec: Field, type: Type): void {
  const isExternal = type === "NodePort" || type === "LoadBalancer" || spec.get("externalIPs").items().length > 0;
  const external = spec.get("externalTrafficPolicy");
  const policy = external.choice(["Cluster", "Local"]);
  if (policy !== undefined && !isExternal) {
    external.report("FieldValueInvalid", "may only be set for externally-accessible services: type NodePort or LoadBalancer");
  }
  spec.get("internalTrafficPolicy").choice(["Cluster", "Local"]);
  const health = spec.get("healthCheckNodePort");
  const port = health.integer();
  if (port !== undefined && port !== 0) {
    if (type !== "LoadBalancer" || policy !== "Local") {
      health.report("FieldValueInvalid", "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
    } else if (port < nodePortRange.min || port > nodePortRange.max) {
      health.report(
        "FieldValueInvalid",
        `provided port is not in the valid range: the range of valid ports is ${nodePortRange.min}-${nodePortRange.max}`,
      );
    }
  }
  const allocate = spec.get("allocateLoadBalancerNodePorts");
  if (allocate.flag() !== undefined && type !== "LoadBalancer") {
    allocate.report("FieldValueForbidden", "may only be used when `type` is 'LoadBalancer'");
  }
  spec.get("publishNotReadyAddresses").flag();
  const balancer = spec.get("loadBalancerClass");
  if (balancer.isPresent) {
    if (type !== "LoadBalancer") balancer.report("FieldValueForbidden", "may only be used when `type` is 'LoadBalancer'");
    else balancer.notModelled("a load balancer that is not Azure's (loadBalancerClass)", "leave loadBalancerClass out");
  }
  // Nodes of a lab are in no zone, so a preference for the zone changes nothing.
  const distribution = spec.get("trafficDistribution").choice(["PreferClose", "PreferSameZone", "PreferSameNode"]);
  if (distribution === "PreferSameNode") spec.get("trafficDistribution").notModelled("PreferSameNode", "use internalTrafficPolicy: Local");
}

/** k8s, pkg/apis/core/v1/defaults.go, SetDefaults_Service; and without what an export adds. */
function complete(object: JsonObject): JsonObject {
  const spec = isObject(object.spec) ? object.spec : {};
  const { clusterIPs, clusterIP, ports, sessionAffinityConfig, externalTrafficPolicy, healthCheckNodePort, ...rest } = spec;
  const type = given(spec.type) ?? "ClusterIP";
  const isExternal = type === "NodePort" || type === "LoadBalancer" || (Array.isArray(spec.externalIPs) && spec.externalIPs.length > 0);
  const sessionAffinity = given(spec.sessionAffinity) ?? "None";
  const clientIP = isObject(sessionAffinityConfig) && isObject(sessionAffinityConfig.clientIP) ? sessionAffinityConfig.clientIP : {};
  return {
    ...object,
    spec: {
      ...rest,
      type,
      ...(clusterIP === undefined || clusterIP === null || clusterIP === "" ? {} : { clusterIP }),
      ...(Array.isArray(clusterIPs) && clusterIPs.length > 1 ? { clusterIPs } : {}),
      ...(Array.isArray(ports) ? { ports: ports.filter(isObject).map(completePort) } : {}),
      sessionAffinity,
      ...(sessionAffinity === "ClientIP"
        ? { sessionAffinityConfig: { clientIP: { timeoutSeconds: clientIP.timeoutSeconds ?? affinityTimeout.default } } }
        : {}),
      ...(type === "ExternalName" ? {} : { internalTrafficPolicy: given(spec.internalTrafficPolicy) ?? "Cluster" }),
      ...(isExternal ? { externalTrafficPolicy: externalTrafficPolicy === "Local" ? "Local" : "Cluster" } : {}),
      ...(healthCheckNodePort === undefined || healthCheckNodePort === null || healthCheckNodePort === 0 ? {} : { healthCheckNodePort }),
      ...(type === "LoadBalancer" ? { allocateLoadBalancerNodePorts: spec.allocateLoadBalancerNodePorts ?? true } : {}),
    },
  };
}

/** null and the empty text are no values. */
function given(value: unknown): unknown {
  return value === "" || value === null ? undefined : value;
}

function completePort(port: JsonObject): JsonObject {
  const { nodePort, name, targetPort, ...rest } = port;
  return {
    ...rest,
    ...(name === undefined || name === null || name === "" ? {} : { name }),
    protocol: given(port.protocol) ?? "TCP",
    targetPort: targetPort === undefined || targetPort === null || targetPort === "" || targetPort === 0 ? port.port : targetPort,
    ...(nodePort === undefined || nodePort === null || nodePort === 0 ? {} : { nodePort }),
  };
}
