/**
 * Endpoints that somebody writes down, for Services without a selector: EndpointSlices, and Endpoints, which came before them and are mirrored into
 * slices (controllers/endpoint-slice-mirroring.ts). What is valid: k8s, pkg/apis/discovery/validation and pkg/apis/core/validation.
 */

import { parseAddress } from "../../net/address.ts";
import { mustPrefix, prefixContains } from "../../net/prefix.ts";
import { type Field, isObject } from "../field.ts";
import { dnsLabel, dnsSubdomain } from "../names.ts";
import type { EndpointSlice } from "../objects.ts";
import type { JsonObject, Kind } from "./kind.ts";

const protocols = ["TCP", "UDP", "SCTP"] as const;

export const endpointSlice: Kind = {
  kind: "EndpointSlice",
  apiVersion: "discovery.k8s.io/v1",
  removed: { "discovery.k8s.io/v1beta1": "1.25" },
  isNamespaced: true,
  name: dnsSubdomain,
  fields: ["addressType", "endpoints", "ports"],
  check: (object) => {
    const type = object.get("addressType");
    type.require();
    const family = type.choice(["IPv4", "IPv6", "FQDN"]);
    if (family === "FQDN") type.notModelled("endpoints by name", "write their addresses, with addressType IPv4 or IPv6");
    for (const endpoint of object.get("endpoints").items()) {
      endpoint.known(["addresses", "conditions", "hostname", "targetRef", "nodeName", "zone", "hints", "deprecatedTopology"]);
      const addresses = endpoint.get("addresses").items();
      if (addresses.length === 0) endpoint.get("addresses").report("FieldValueRequired", "must contain at least 1 address");
      if (family !== "FQDN") for (const address of addresses) checkAddress(address, family);
      for (const condition of ["ready", "serving", "terminating"]) endpoint.get("conditions", condition).flag();
      endpoint.get("nodeName").matches(dnsSubdomain);
    }
    const ports = object.get("ports").items();
    for (const port of ports) {
      checkPort(port, ["name", "protocol", "port", "appProtocol"]);
      if (!port.get("port").isPresent) port.get("port").notModelled("a port of an EndpointSlice that stands for all", "write its number");
    }
  },
  complete: ({ endpoints, ports, ...object }) => {
    const own = fieldsOf(ports).map(portOf);
    return { ...object, endpoints: fieldsOf(endpoints).map((endpoint) => completeEndpoint(endpoint, own)) };
  },
};

export const endpoints: Kind = {
  kind: "Endpoints",
  apiVersion: "v1",
  isNamespaced: true,
  name: dnsSubdomain,
  fields: ["subsets"],
  check: (object) => {
    for (const subset of object.get("subsets").items()) {
      subset.known(["addresses", "notReadyAddresses", "ports"]);
      for (const list of ["addresses", "notReadyAddresses"]) {
        for (const address of subset.get(list).items()) {
          address.known(["ip", "hostname", "nodeName", "targetRef"]);
          if (address.get("ip").require()) checkAddress(address.get("ip"), undefined);
          address.get("nodeName").matches(dnsSubdomain);
        }
      }
      for (const port of subset.get("ports").items()) {
        port.get("port").require();
        checkPort(port, ["name", "protocol", "port", "appProtocol"]);
      }
    }
  },
};

/** Addresses that are never an endpoint's (k8s, ValidateEndpointIP). */
const special = [
  { prefix: mustPrefix("127.0.0.0/8"), what: "in the loopback range (127.0.0.0/8, ::1/128)" },
  { prefix: mustPrefix("::1/128"), what: "in the loopback range (127.0.0.0/8, ::1/128)" },
  { prefix: mustPrefix("169.254.0.0/16"), what: "in the link-local range (169.254.0.0/16, fe80::/10)" },
  { prefix: mustPrefix("fe80::/10"), what: "in the link-local range (169.254.0.0/16, fe80::/10)" },
  { prefix: mustPrefix("224.0.0.0/24"), what: "in the link-local multicast range (224.0.0.0/24, ff02::/10)" },
  { prefix: mustPrefix("0.0.0.0/32"), what: "unspecified (0.0.0.0 or ::)" },
  { prefix: mustPrefix("::/128"), what: "unspecified (0.0.0.0 or ::)" },
];

function checkAddress(field: Field, family: "IPv4" | "IPv6" | undefined): void {
  const text = field.text();
  if (text === undefined) return;
  const address = parseAddress(text);
  const isOther = family !== undefined && text.includes(":") !== (family === "IPv6");
  if (address === undefined || isOther) {
    field.report("FieldValueInvalid", `must be a valid ${family ?? "IP"} address`);
    return;
  }
  const found = special.find(({ prefix }) => prefixContains(prefix, address));
  if (found !== undefined) field.report("FieldValueInvalid", `may not be ${found.what}`);
}

function checkPort(port: Field, names: readonly string[]): void {
  if (port.object() === undefined) return;
  port.known(names);
  port.get("port").number(1, 65535);
  port.get("name").matches((text) => (text === "" ? undefined : dnsLabel(text)));
  if (port.get("protocol").choice(protocols) === "SCTP") port.get("protocol").notModelled("SCTP", "use TCP or UDP");
}

type Endpoint = EndpointSlice["endpoints"][number];

function portOf({ name, protocol, port }: JsonObject): Endpoint["ports"][number] {
  return {
    name: typeof name === "string" ? name : "",
    protocol: protocols.find((one) => one === protocol) ?? "TCP",
    port: Number(port),
  };
}

/** Conditions as the API server and kube-proxy read them when they are not said. */
function completeEndpoint(endpoint: JsonObject, ports: Endpoint["ports"]): JsonObject {
  const { ready, serving, terminating } = isObject(endpoint.conditions) ? endpoint.conditions : {};
  const isReady = ready !== false;
  return { ...endpoint, conditions: { ready: isReady, serving: serving ?? isReady, terminating: terminating === true }, ports };
}

function fieldsOf(list: unknown): readonly JsonObject[] {
  return Array.isArray(list) ? list.filter(isObject) : [];
}
