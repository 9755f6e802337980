/** Network policies: what is valid (k8s, pkg/apis/networking/validation, ValidateNetworkPolicySpec), and what is filled in. */

import { parseLoosePrefix, prefixCovers } from "../../net/prefix.ts";
import { type Field, isObject } from "../field.ts";
import { dnsSubdomain, portName } from "../names.ts";
import { checkSelector } from "../selectors.ts";
import type { JsonObject, Kind } from "./kind.ts";

const source = "k8sdoc:concepts/services-networking/network-policies";
const maxPort = 65_535;

export const networkPolicy: Kind = {
  kind: "NetworkPolicy",
  apiVersion: "networking.k8s.io/v1",
  isNamespaced: true,
  name: dnsSubdomain,
  fields: ["spec"],
  check: (object) => {
    const spec = object.get("spec");
    if (spec.object() === undefined) return;
    spec.known(["podSelector", "policyTypes", "ingress", "egress"]);
    checkSelector(spec.get("podSelector"));
    for (const rule of spec.get("ingress").items()) checkRule(rule, "from");
    for (const rule of spec.get("egress").items()) checkRule(rule, "to");
    checkTypes(spec.get("policyTypes"));
  },
  checkInCluster: (object, { networkPolicy: engine, hasWindowsNodes }) => {
    if (engine === "azure" && hasWindowsNodes) checkWindows(object.get("spec"));
    if (engine !== "none") return;
    object.report("NoNetworkPolicyEngine", "kept, no effect on the network: the cluster has no network policy engine", {
      severity: "warning",
      source: "aks:use-network-policies.md",
      fix: "give the cluster networkPolicy: azure, calico or cilium",
    });
  },
  complete,
};

function checkRule(rule: Field, peersName: "from" | "to"): void {
  rule.object();
  rule.known(["ports", peersName]);
  for (const port of rule.get("ports").items()) checkPort(port);
  for (const peer of rule.get(peersName).items()) checkPeer(peer);
}

function checkPort(item: Field): void {
  item.object();
  item.known(["protocol", "port", "endPort"]);
  item.get("protocol").choice(["TCP", "UDP", "SCTP"]);
  const port = item.get("port");
  const endPort = item.get("endPort");
  const last = endPort.integer();
  if (!port.isPresent) {
    if (last !== undefined) endPort.report("FieldValueInvalid", "may not be specified when `port` is not specified");
    return;
  }
  if (typeof port.value === "string") {
    if (last !== undefined) endPort.report("FieldValueInvalid", "may not be specified when `port` is non-numeric");
    port.matches(portName);
    return;
  }
  const first = port.number(1, maxPort);
  if (last === undefined) return;
  if (first !== undefined && last < first) endPort.report("FieldValueInvalid", "must be greater than or equal to `port`");
  endPort.number(1, maxPort);
}

function checkPeer(peer: Field): void {
  peer.object();
  peer.known(["podSelector", "namespaceSelector", "ipBlock"]);
  const [podSelector, namespaceSelector, ipBlock] = [peer.get("podSelector"), peer.get("namespaceSelector"), peer.get("ipBlock")];
  checkSelector(podSelector);
  checkSelector(namespaceSelector);
  if (ipBlock.isPresent) {
    if (podSelector.isPresent || namespaceSelector.isPresent) {
      peer.report("FieldValueForbidden", "may not specify both ipBlock and another peer");
    }
    checkBlock(ipBlock);
  } else if (!podSelector.isPresent && !namespaceSelector.isPresent) {
    peer.report("FieldValueRequired", "must specify a peer", { source, fix: "for everybody, leave the list of peers out" });
  }
}

const cidrRule = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

function checkBlock(block: Field): void {
  block.object();
  block.known(["cidr", "except"]);
  const field = block.get("cidr");
  const text = field.text();
  if (text === undefined || text === "") {
    if (!field.isPresent || text === "") field.report("FieldValueRequired", "an address range is missing");
    return;
  }
  const cidr = parseLoosePrefix(text);
  if (cidr === undefined) field.report("FieldValueInvalid", cidrRule);
  for (const item of block.get("except").items()) {
    const exception = item.text();
    if (exception === undefined) continue;
    const prefix = parseLoosePrefix(exception);
    if (prefix === undefined) item.report("FieldValueInvalid", cidrRule);
    else if (cidr !== undefined && (prefix === cidr || !prefixCovers(cidr, prefix))) {
      item.report("FieldValueInvalid", "must be a strict subset of `cidr`", { source });
    }
  }
}

function checkTypes(types: Field): void {
  const items = types.items();
  if (items.length > 2) {
    types.report("FieldValueInvalid", "may not specify more than two policyTypes");
    return;
  }
  for (const item of items) item.choice(["Ingress", "Egress"]);
}

/** What Network Policy Manager lacks on Windows (AKS docs, use-network-policies). Which nodes the pods will be on is not known here. */
function checkWindows(spec: Field): void {
  const lacks = (field: Field, what: string) =>
    field.report("NotModelled", `Azure Network Policy Manager does not support ${what} on Windows nodes, which this cluster has`, {
      source: "aks:use-network-policies.md",
      fix: "use networkPolicy: calico",
    });
  const checkOperators = (selector: Field) => {
    for (const expression of selector.get("matchExpressions").items()) {
      const operator = expression.get("operator");
      if (operator.value === "NotIn" || operator.value === "DoesNotExist") lacks(operator, `operator ${operator.value}`);
    }
  };
  checkOperators(spec.get("podSelector"));
  for (const [list, peers] of [["ingress", "from"] as const, ["egress", "to"] as const]) {
    for (const rule of spec.get(list).items()) {
      for (const port of rule.get("ports").items()) {
        if (typeof port.get("port").value === "string") lacks(port.get("port"), "a named port");
        if (port.get("protocol").value === "SCTP") lacks(port.get("protocol"), "SCTP");
      }
      for (const peer of rule.get(peers).items()) {
        checkOperators(peer.get("podSelector"));
        checkOperators(peer.get("namespaceSelector"));
        const except = peer.get("ipBlock", "except");
        if (except.items().length > 0) lacks(except, "ipBlock.except");
      }
    }
  }
}

/** k8s, pkg/apis/networking/v1/defaults.go: SetDefaults_NetworkPolicyPort, SetDefaults_NetworkPolicy. Nulls are left out. */
function complete(object: JsonObject): JsonObject {
  const spec = objectOf(object.spec);
  const ingress = listOf(spec.ingress)?.map((rule) => completeRule(rule, "from"));
  const egress = listOf(spec.egress)?.map((rule) => completeRule(rule, "to"));
  const types = Array.isArray(spec.policyTypes) && spec.policyTypes.length > 0 ? spec.policyTypes : undefined;
  return {
    ...object,
    spec: {
      podSelector: objectOf(spec.podSelector),
      ...(ingress === undefined ? {} : { ingress }),
      ...(egress === undefined ? {} : { egress }),
      policyTypes: types ?? ["Ingress", ...((egress ?? []).length > 0 ? ["Egress"] : [])],
    },
  };
}

function completeRule(rule: JsonObject, peersName: "from" | "to"): JsonObject {
  const ports = listOf(rule.ports)?.map((port) => ({ ...withoutNulls(port), protocol: port.protocol || "TCP" }));
  const peers = listOf(rule[peersName])?.map(withoutNulls);
  return { ...(ports === undefined ? {} : { ports }), ...(peers === undefined ? {} : { [peersName]: peers }) };
}

function listOf(value: unknown): readonly JsonObject[] | undefined {
  return Array.isArray(value) ? value.map(objectOf) : undefined;
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function withoutNulls(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}
