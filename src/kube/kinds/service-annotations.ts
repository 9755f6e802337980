/**
 * Annotations by which a Service speaks to Azure (cloud-provider-azure, content/en/topics/loadbalancer.md; pkg/consts/consts.go). Those that change
 * packets and are not modelled are refused; those of other clouds do nothing on Azure.
 */

import { parseAddress } from "../../net/address.ts";
import { parseLoosePrefix } from "../../net/prefix.ts";
import type { Field } from "../field.ts";

const prefix = "service.beta.kubernetes.io/";

/** A function checks the value of what is understood. */
type Rule = ((field: Field, text: string) => void) | "no effect" | { readonly what: string; readonly fix: string };

const leaveOut = "leave the annotation out";
const refused = (what: string, fix = leaveOut): Rule => ({ what, fix });
const probeDocs = "cloud-provider-azure, pkg/provider/azure_loadbalancer_healthprobe.go";
const any = () => undefined;

function trueOrFalse(field: Field, text: string): void {
  if (!/^(true|false)$/i.test(text)) field.report("FieldValueInvalid", 'must be "true" or "false"');
}

/** What is no protocol of a probe is asked by TCP, as the cloud provider does. */
function probeProtocol(field: Field, text: string): void {
  if (/^(tcp|https?)$/i.test(text.trim())) return;
  field.report("FieldValueInvalid", `${JSON.stringify(text)} is no protocol of a health probe: it is asked by TCP`, {
    severity: "warning",
    source: probeDocs,
    known: ["Tcp", "Http", "Https"],
  });
}

const atLeast = (least: number) => (field: Field, text: string) => {
  if (/^\d+$/.test(text.trim()) && Number(text) >= least) return;
  field.report("FieldValueInvalid", `must be a whole number of at least ${least}`, { source: probeDocs });
};
const [leastInterval, leastCount, longest] = [5, 2, 120];

function requestPath(field: Field, text: string): void {
  if (!text.startsWith("/")) field.report("FieldValueInvalid", "must be a path that begins with /");
}

function addresses(field: Field, text: string): void {
  for (const item of text.split(",")) {
    const address = parseAddress(item.trim());
    if (address === undefined) field.report("FieldValueInvalid", `${JSON.stringify(item.trim())} is no IP address`);
    else if (address.includes(":")) field.notModelled("IPv6", "give IPv4 addresses");
  }
}

/** Azure takes what is no range for a reason to let nobody else in. */
function ranges(field: Field, text: string): void {
  for (const word of text.split(",").map((part) => part.trim())) {
    const range = parseLoosePrefix(word);
    if (range !== undefined) continue;
    field.report("FieldValueInvalid", `${JSON.stringify(word)} is no range: Azure ignores it and denies everybody but the other ranges`, {
      severity: "warning",
      source: "cloud-provider-azure, pkg/provider/loadbalancer/accesscontrol.go",
      fix: "write network address, slash, prefix length, such as 203.0.113.0/24",
    });
  }
}

const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["azure-load-balancer-internal", trueOrFalse],
  ["azure-load-balancer-internal-subnet", any],
  ["azure-load-balancer-ipv4", ipv4],
  ["azure-load-balancer-tcp-idle-timeout", idleTimeout],
  ["azure-load-balancer-health-probe-protocol", probeProtocol],
  ["azure-load-balancer-health-probe-interval", atLeast(leastInterval)],
  ["azure-load-balancer-health-probe-num-of-probe", atLeast(leastCount)],
  ["azure-load-balancer-health-probe-request-path", requestPath],
  ["azure-load-balancer-enable-high-availability-ports", trueOrFalse],
  ["azure-disable-load-balancer-floating-ip", trueOrFalse],
  ["azure-load-balancer-disable-tcp-reset", trueOrFalse],
  ["azure-additional-public-ips", addresses],
  ["azure-allowed-service-tags", any],
  ["azure-allowed-ip-ranges", ranges],
  ["load-balancer-source-ranges", ranges],
  ["azure-deny-all-except-load-balancer-source-ranges", trueOrFalse],
  ["azure-load-balancer-resource-group", "no effect"],
  ["azure-dns-label-name", "no effect"],
  ["azure-pip-tags", "no effect"],
  ["azure-load-balancer-mode", "no effect"],
  ["azure-shared-securityrule", "no effect"],
  ["azure-load-balancer-ipv6", ipv6],
  ["azure-pip-name", any],
  ["azure-pip-name-ipv6", any],
  ["azure-pip-prefix-id", any],
  ["azure-pip-prefix-id-ipv6", refused("a public IPv6 prefix")],
  ["azure-pip-ip-tags", refused("routing preference of a public address")],
  ["azure-load-balancer-configurations", refused("several standard load balancers")],
  ["azure-pls-create", refused("a private link service")],
]);

/** Annotations `port_N_…` by what comes after the number. */
const portRules: ReadonlyMap<string, (field: Field, text: string) => void> = new Map([
  ["health-probe_protocol", probeProtocol],
  ["health-probe_port", any],
  ["health-probe_interval", atLeast(leastInterval)],
  ["health-probe_num-of-probe", atLeast(leastCount)],
  ["health-probe_request-path", requestPath],
  ["no_lb_rule", trueOrFalse],
  ["no_probe_rule", trueOrFalse],
]);

/** `service`: the whole object. */
export function checkServiceAnnotations(service: Field): void {
  const annotations = service.get("metadata", "annotations");
  for (const [key, field] of annotations.entries()) {
    if (!key.startsWith(prefix) || typeof field.value !== "string") continue;
    const name = key.slice(prefix.length);
    const rule = rules.get(name);
    const ofPort = /^port_(\d+)_(.*)$/.exec(name);
    if (typeof rule === "function") {
      if (field.value !== "") rule(field, field.value);
    } else if (rule === "no effect") continue;
    else if (rule !== undefined) {
      const isOff = field.value === "false" || field.value === "";
      if (!isOff) field.notModelled(rule.what, rule.fix);
    } else if (ofPort !== null) checkPortAnnotation(service, field, ofPort[1] ?? "", ofPort[2] ?? "");
    else if (name.startsWith("azure-pls-")) field.notModelled("a private link service", leaveOut);
    else if (name.startsWith("azure-")) {
      field.report("UnknownField", `Azure knows no annotation ${JSON.stringify(key)}`, {
        known: [...rules.keys()].map((known) => prefix + known),
      });
    }
  }
  checkProbeDuration(service);
}

function checkPortAnnotation(service: Field, field: Field, number: string, setting: string): void {
  const text = String(field.value);
  const rule = portRules.get(setting);
  if (rule === undefined) {
    field.report("UnknownField", `Azure knows no setting ${JSON.stringify(setting)} of a port`, {
      known: [...portRules.keys()].map((known) => `${prefix}port_${number}_${known}`),
    });
    return;
  }
  const ports = service.get("spec", "ports").items();
  if (!ports.some((port) => String(port.get("port").value) === number)) {
    field.report("FieldValueInvalid", `the Service has no port ${number}: the annotation has no effect`, {
      severity: "warning",
      known: ports.map((port) => `${prefix}port_${String(port.get("port").value)}_${setting}`),
    });
  }
  rule(field, text);
  const isPort = /^\d+$/.test(text) && Number(text) <= 65_535;
  const isName = ports.some((port) => String(port.get("name").value ?? "").toLowerCase() === text.toLowerCase());
  if (setting === "health-probe_port" && !isPort && !isName) {
    field.report("FieldValueInvalid", `port ${text} not found in service`, { source: probeDocs });
  }
}

/** A backend counts as failed within two minutes. */
function checkProbeDuration(service: Field): void {
  const annotations = service.get("metadata", "annotations");
  for (const port of service.get("spec", "ports").items()) {
    const number = String(port.get("port").value);
    const interval = settingOf(annotations, number, "interval", leastInterval);
    const count = settingOf(annotations, number, "num-of-probe", leastCount);
    if (interval.value * count.value < longest) continue;
    const field = count.field ?? interval.field ?? annotations;
    const product = `${interval.value} s x ${count.value} = ${interval.value * count.value} s`;
    field.report("FieldValueInvalid", `interval and number of probes must come to less than ${longest} s: ${product}`, {
      source: probeDocs,
    });
    return;
  }
}

function settingOf(annotations: Field, port: string, name: string, otherwise: number): { readonly value: number; readonly field?: Field } {
  for (const key of [`port_${port}_health-probe_${name}`, `azure-load-balancer-health-probe-${name}`]) {
    const field = annotations.get(prefix + key);
    if (typeof field.value === "string" && /^\d+$/.test(field.value)) return { value: Number(field.value), field };
  }
  return { value: otherwise };
}

function ipv4(field: Field, text: string): void {
  if (parseAddress(text) === undefined || text.includes(":")) field.report("FieldValueInvalid", "must be an IPv4 address");
}

function ipv6(field: Field, text: string): void {
  if (parseAddress(text)?.includes(":") !== true) field.report("FieldValueInvalid", "must be an IPv6 address");
}

function idleTimeout(field: Field, text: string): void {
  const minutes = Number(text);
  const source =
    "cloud-provider-azure, pkg/provider/azure_loadbalancer.go (30); AKS docs, configure-load-balancer-standard.md (30, later 100)";
  if (!/^\d+$/.test(text) || minutes < 4 || minutes > 100) {
    field.report("FieldValueInvalid", "idle timeout value must be a whole number representing minutes between 4 and 30", { source });
  } else if (minutes > 30) {
    field.report("FieldValueInvalid", "an idle timeout of more than 30 minutes is refused by some versions of Azure's cloud provider", {
      severity: "warning",
      source,
    });
  }
}
