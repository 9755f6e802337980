/** Pods' specifications: what is valid, what is not modelled, what is filled in (k8s, pkg/apis/core/validation and v1/defaults.go). */

import { parseAddress } from "../../net/address.ts";
import { answersAnnotation, parseAnswers } from "../answers.ts";
import { type Field, isObject, words } from "../field.ts";
import { dnsLabel, dnsSubdomain, labelValue, portName, qualifiedName } from "../names.ts";
import type { Labels } from "../objects.ts";
import { checkLabels } from "../selectors.ts";
import type { JsonObject } from "./kind.ts";

const podFields = words(`
  volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds
  activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount automountServiceAccountToken
  nodeName hostNetwork hostPID hostIPC shareProcessNamespace securityContext imagePullSecrets hostname
  subdomain affinity schedulerName tolerations hostAliases priorityClassName priority dnsConfig readinessGates
  runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints setHostnameAsFQDN os
  hostUsers schedulingGates resourceClaims resources hostnameOverride workloadRef schedulingGroup
`);

const containerFields = words(`
  name image command args workingDir ports envFrom env resources resizePolicy restartPolicy
  restartPolicyRules volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle
  terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty
`);

const templateFields = ["metadata", "spec"];

/** Annotations that change a pod's network on a cluster that has the plugin; a lab has none of them. */
const networkAnnotations: ReadonlyMap<string, string> = new Map([
  ["k8s.v1.cni.cncf.io/networks", "a second network interface (Multus)"],
  ["kubernetes.io/ingress-bandwidth", "traffic shaping"],
  ["kubernetes.io/egress-bandwidth", "traffic shaping"],
  ["cni.projectcalico.org/ipAddrs", "a pod address of one's own choice (Calico)"],
]);

/** `owner`: the kind whose template it is. */
export function checkTemplate(template: Field, owner: string): Labels {
  template.known(templateFields);
  const labels = checkLabels(template.get("metadata", "labels"));
  checkPodMetadata(template.get("metadata"));
  const spec = template.get("spec");
  if (spec.require()) checkPodSpec(spec);
  const restart = spec.get("restartPolicy");
  if (restart.value === "OnFailure" || restart.value === "Never") {
    restart.report("FieldValueNotSupported", `${JSON.stringify(restart.value)} is not supported in a ${owner}; supported values: Always`);
  }
  return labels;
}

export function checkPodMetadata(metadata: Field): void {
  for (const [key, field] of metadata.get("annotations").entries()) {
    field.text();
    const problem = qualifiedName(key.toLowerCase());
    if (problem !== undefined) field.report("FieldValueInvalid", `annotation key ${JSON.stringify(key)}: ${problem}`);
    const what = networkAnnotations.get(key);
    if (what !== undefined) field.notModelled(what, "leave the annotation out");
    const answers = key === answersAnnotation ? parseAnswers(String(field.value)) : undefined;
    if (answers !== undefined && "problem" in answers) {
      field.report("FieldValueInvalid", answers.problem, { fix: "write paths and statuses: /=404 /healthz=200 8080/api/*=503" });
    }
  }
}

export function checkPodSpec(spec: Field): void {
  if (spec.object() === undefined) return;
  spec.known(podFields);
  const hostNetwork = spec.get("hostNetwork").flag() ?? false;
  const containers = spec.get("containers");
  if (containers.items().length === 0) containers.report("FieldValueRequired", "a pod needs at least one container");
  const names = new Set<string>();
  const hostPorts = new Set<string>();
  for (const container of containers.items()) checkContainer(container, names, hostPorts, hostNetwork);
  for (const container of spec.get("initContainers").items()) {
    checkContainer(container, names, hostPorts, hostNetwork);
  }
  if (spec.get("ephemeralContainers").items().length > 0) {
    spec.get("ephemeralContainers").report("FieldValueForbidden", "ephemeral containers cannot be set when a pod is created");
  }
  spec.get("restartPolicy").choice(["Always", "OnFailure", "Never"]);
  spec.get("dnsPolicy").choice(["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]);
  spec.get("hostname").matches(dnsLabel);
  spec.get("subdomain").matches(dnsLabel);
  spec.get("nodeName").matches(dnsSubdomain);
  spec.get("serviceAccountName").matches(dnsSubdomain);
  if (spec.get("hostAliases").items().length > 0) {
    spec
      .get("hostAliases")
      .notModelled("names of one's own in a pod (hostAliases)", "stand-ins dial addresses, so nobody in a lab looks them up", {
        severity: "warning",
      });
  }
  if (spec.get("schedulingGates").items().length > 0) {
    spec.get("schedulingGates").notModelled("a pod that waits for a scheduling gate", "leave schedulingGates out");
  }
  checkPlacement(spec);
}

function checkContainer(container: Field, names: Set<string>, hostPorts: Set<string>, hostNetwork: boolean): void {
  if (container.object() === undefined) return;
  container.known(containerFields);
  const name = container.get("name");
  if (name.require()) {
    const text = name.matches(dnsLabel);
    if (text !== undefined && names.has(text))
      name.report("FieldValueDuplicate", `another container of the pod is called ${JSON.stringify(text)}`);
    if (text !== undefined) names.add(text);
  }
  const image = container.get("image");
  if (image.require() && image.text() === "") image.report("FieldValueRequired", "required value is missing");
  for (const list of ["command", "args"]) for (const item of container.get(list).items()) item.text();
  for (const variable of container.get("env").items()) {
    variable.known(["name", "value", "valueFrom"]);
    variable.get("name").require();
    variable.get("name").text();
    variable.get("value").text();
  }
  const portNames = new Set<string>();
  for (const port of container.get("ports").items()) checkContainerPort(port, portNames, hostPorts, hostNetwork);
}

const protocols = ["TCP", "UDP", "SCTP"] as const;

function checkContainerPort(port: Field, names: Set<string>, hostPorts: Set<string>, hostNetwork: boolean): void {
  if (port.object() === undefined) return;
  port.known(["name", "hostPort", "containerPort", "protocol", "hostIP"]);
  const containerPort = port.get("containerPort");
  containerPort.require();
  const number = containerPort.number(1, 65535);
  const name = port.get("name").matches(portName);
  if (name !== undefined && names.has(name))
    port.get("name").report("FieldValueDuplicate", `another port of the container is called ${JSON.stringify(name)}`);
  if (name !== undefined) names.add(name);
  const protocol = port.get("protocol").choice(protocols);
  if (protocol === "SCTP") port.get("protocol").notModelled("SCTP", "use TCP or UDP");
  const hostIP = port.get("hostIP").text();
  if (hostIP !== undefined && parseAddress(hostIP) === undefined)
    port.get("hostIP").report("FieldValueInvalid", "must be a valid IP address");
  const hostPort = port.get("hostPort");
  const onHost = hostPort.number(0, 65535);
  if (onHost === undefined || onHost === 0) return;
  const key = `${onHost}/${protocol ?? "TCP"}/${hostIP ?? ""}`;
  if (hostPorts.has(key)) hostPort.report("FieldValueDuplicate", `host port ${onHost} is another container's in this pod`);
  hostPorts.add(key);
  if (hostNetwork && number !== undefined && onHost !== number)
    hostPort.report("FieldValueInvalid", "must match `containerPort` when `hostNetwork` is true");
}

function checkPlacement(spec: Field): void {
  for (const [key, field] of spec.get("nodeSelector").entries()) {
    const problem = qualifiedName(key);
    if (problem !== undefined) field.report("FieldValueInvalid", `label key ${JSON.stringify(key)}: ${problem}`);
    field.matches(labelValue);
  }
  for (const toleration of spec.get("tolerations").items()) {
    toleration.known(["key", "operator", "value", "effect", "tolerationSeconds"]);
    const operator = toleration.get("operator").choice(["Exists", "Equal", "Lt", "Gt"]);
    const key = toleration.get("key").text();
    const value = toleration.get("value").text();
    toleration.get("effect").choice(["NoSchedule", "PreferNoSchedule", "NoExecute"]);
    if ((key === undefined || key === "") && operator !== "Exists") {
      toleration
        .get("operator")
        .report("FieldValueInvalid", 'operator must be Exists when `key` is empty, which means "match all values and all keys"');
    }
    if (operator === "Exists" && value !== undefined && value !== "") {
      toleration.get("value").report("FieldValueInvalid", "value must be empty when `operator` is 'Exists'");
    }
  }
  const affinity = spec.get("affinity");
  const terms = affinity.get("nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms");
  for (const term of terms.items()) {
    for (const list of ["matchExpressions", "matchFields"]) {
      for (const expression of term.get(list).items()) {
        expression.get("key").require();
        expression.get("key").text();
        expression.get("operator").require();
        expression.get("operator").choice(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]);
        for (const value of expression.get("values").items()) value.text();
      }
    }
  }
  // They move pods between nodes, which nothing else depends on: said, not refused.
  for (const kind of ["podAffinity", "podAntiAffinity"]) {
    const field = affinity.get(kind, "requiredDuringSchedulingIgnoredDuringExecution");
    if (field.items().length > 0) {
      field.notModelled(
        `required ${kind}`,
        "pods of one owner are spread over the nodes in any case; use nodeName or nodeSelector to be sure",
        {
          severity: "warning",
        },
      );
    }
  }
  for (const constraint of spec.get("topologySpreadConstraints").items()) {
    if (constraint.get("whenUnsatisfiable").value !== "DoNotSchedule") continue;
    constraint.notModelled("a required topology spread", "pods of one owner are spread over the nodes in any case", {
      severity: "warning",
    });
  }
}

/** The template with the defaults that a lab looks at. */
export function completeTemplate(template: unknown): JsonObject {
  const object = isObject(template) ? template : {};
  const metadata = isObject(object.metadata) ? object.metadata : {};
  return { ...object, metadata: cleanTemplateMetadata(metadata), spec: completePodSpec(object.spec) };
}

/** kubectl and exports leave a null here; a name in a template has no effect. */
function cleanTemplateMetadata(metadata: JsonObject): JsonObject {
  const { creationTimestamp: _time, name: _name, namespace: _namespace, ...rest } = metadata;
  return { ...rest, ...(isObject(rest.labels) ? { labels: textValues(rest.labels) } : {}) };
}

/** Labels without a value have the empty one. */
export function textValues(labels: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, value ?? ""]));
}

export function completePodSpec(spec: unknown): JsonObject {
  const object = isObject(spec) ? spec : {};
  const hostNetwork = object.hostNetwork === true;
  const containers = (list: unknown) => (Array.isArray(list) ? list.map((container) => completeContainer(container, hostNetwork)) : []);
  return {
    ...object,
    containers: containers(object.containers),
    ...(Array.isArray(object.initContainers) ? { initContainers: containers(object.initContainers) } : {}),
  };
}

function completeContainer(container: unknown, hostNetwork: boolean): JsonObject {
  const object = isObject(container) ? container : {};
  if (!Array.isArray(object.ports)) return object;
  const ports = object.ports.filter(isObject).map((port) => {
    const { hostPort, ...rest } = port;
    const onHost = hostNetwork ? { hostPort: port.containerPort } : hostPort === 0 || hostPort === undefined ? {} : { hostPort };
    return { ...rest, protocol: port.protocol === "UDP" ? "UDP" : "TCP", ...onHost };
  });
  return { ...object, ports };
}
