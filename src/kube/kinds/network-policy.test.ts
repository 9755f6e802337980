import { expect, test } from "vitest";
import { Field } from "../field.ts";
import { networkPolicy } from "./network-policy.ts";

const problemsOf = (spec: object, engine: string, hasWindowsNodes: boolean): readonly string[] => {
  const found: string[] = [];
  const field = new Field({ spec }, [], ({ path, message, severity }) => found.push(`${severity} ${path.join(".")}: ${message}`));
  networkPolicy.checkInCluster?.(field, {
    serviceCidr: undefined,
    ipv6ServiceCidr: undefined,
    dnsServiceIP: "10.0.0.10",
    networkPolicy: engine,
    hasWindowsNodes,
  });
  return found;
};

test("what Network Policy Manager lacks on Windows is refused by name, there and nowhere else", () => {
  const spec = {
    podSelector: { matchExpressions: [{ key: "a", operator: "DoesNotExist" }] },
    ingress: [
      { from: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } }], ports: [{ port: "http" }] },
      { from: [{ namespaceSelector: { matchExpressions: [{ key: "a", operator: "In", values: ["b"] }] } }] },
    ],
    egress: [
      { to: [{ podSelector: { matchExpressions: [{ key: "a", operator: "NotIn", values: ["b"] }] } }], ports: [{ protocol: "SCTP" }] },
    ],
  };
  const lacks = (path: string, what: string) =>
    `error ${path}: Azure Network Policy Manager does not support ${what} on Windows nodes, which this cluster has`;
  expect(problemsOf(spec, "azure", true)).toEqual([
    lacks("spec.podSelector.matchExpressions.0.operator", "operator DoesNotExist"),
    lacks("spec.ingress.0.ports.0.port", "a named port"),
    lacks("spec.ingress.0.from.0.ipBlock.except", "ipBlock.except"),
    lacks("spec.egress.0.ports.0.protocol", "SCTP"),
    lacks("spec.egress.0.to.0.podSelector.matchExpressions.0.operator", "operator NotIn"),
  ]);
  expect(problemsOf(spec, "azure", false)).toEqual([]);
  expect(problemsOf(spec, "calico", true)).toEqual([]);
});

test("without an engine it is kept, and says so", () => {
  expect(problemsOf({ podSelector: {} }, "none", false)).toEqual([
    "warning : kept, no effect on the network: the cluster has no network policy engine",
  ]);
});

test("is completed as the API server does", () => {
  const complete = (spec: object) => networkPolicy.complete?.({ spec })?.spec;
  expect(complete({ podSelector: null, ingress: [{ from: null, ports: [{ port: 80, endPort: null }] }] })).toEqual({
    podSelector: {},
    ingress: [{ ports: [{ port: 80, protocol: "TCP" }] }],
    policyTypes: ["Ingress"],
  });
  expect(complete({ egress: [{}] })).toEqual({ podSelector: {}, egress: [{}], policyTypes: ["Ingress", "Egress"] });
  expect(complete({ egress: [] })).toEqual({ podSelector: {}, egress: [], policyTypes: ["Ingress"] });
  expect(complete({ policyTypes: ["Egress"] })).toEqual({ podSelector: {}, policyTypes: ["Egress"] });
});
