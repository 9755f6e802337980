/** Kinds that make pods from a template. */

import type { Field } from "../field.ts";
import { isObject } from "../field.ts";
import { dnsLabel, dnsSubdomain } from "../names.ts";
import type { LabelSelector } from "../objects.ts";
import { checkLabels, checkSelector, selects } from "../selectors.ts";
import type { JsonObject, Kind } from "./kind.ts";
import { checkPodMetadata, checkPodSpec, checkTemplate, completePodSpec, completeTemplate } from "./pod-spec.ts";

/** Kubernetes 1.16 stopped serving all versions of these kinds but apps/v1. */
const removed = { "extensions/v1beta1": "1.16", "apps/v1beta1": "1.16", "apps/v1beta2": "1.16" };

/** The largest 32-bit number. */
const maxInt = 2 ** 31 - 1;

function checkWorkload(object: Field, fields: readonly string[], kind: string): void {
  const spec = object.get("spec");
  if (!spec.require() || spec.object() === undefined) return;
  spec.known(fields);
  spec.get("minReadySeconds").number(0, maxInt);
  const template = spec.get("template");
  const hasTemplate = template.require() && template.object() !== undefined;
  const labels = hasTemplate ? checkTemplate(template, kind) : {};
  const selector = spec.get("selector");
  if (
    !selector.require(undefined, { fix: `write the labels of the template under selector.matchLabels` }) ||
    selector.object() === undefined
  )
    return;
  const wanted: LabelSelector = checkSelector(selector);
  const isEmpty = Object.keys(wanted.matchLabels ?? {}).length === 0 && (wanted.matchExpressions ?? []).length === 0;
  if (isEmpty) selector.report("FieldValueInvalid", `empty selector is invalid for a ${kind}`);
  else if (hasTemplate && !selects(wanted, labels)) {
    const text = Object.entries(wanted.matchLabels ?? {})
      .map(([key, value]) => `${key}: ${value}`)
      .join(", ");
    template
      .get("metadata", "labels")
      .report("FieldValueInvalid", "`selector` does not match template `labels`", { fix: `add the labels of the selector: ${text}` });
  }
}

/** Selector as extensions/v1beta1 filled it in: the template's labels. */
function completeWorkload(object: JsonObject, more: JsonObject): JsonObject {
  const spec = isObject(object.spec) ? object.spec : {};
  return { ...object, spec: { ...spec, ...more, template: completeTemplate(spec.template) } };
}

function replicasOf(object: JsonObject): number {
  const replicas = isObject(object.spec) ? object.spec.replicas : undefined;
  return typeof replicas === "number" ? replicas : 1;
}

const scaled = { apiVersion: "apps/v1", isNamespaced: true, name: dnsSubdomain, fields: ["spec"], removed } as const;
const common = ["replicas", "selector", "template", "minReadySeconds", "revisionHistoryLimit"];

export const deployment: Kind = {
  ...scaled,
  kind: "Deployment",
  check: (object) => {
    checkWorkload(object, [...common, "strategy", "paused", "progressDeadlineSeconds", "rollbackTo"], "Deployment");
    const spec = object.get("spec");
    spec.get("replicas").number(0, maxInt);
    const strategy = spec.get("strategy");
    const type = strategy.get("type").choice(["RollingUpdate", "Recreate"]);
    if (type === "Recreate" && strategy.get("rollingUpdate").isPresent) {
      strategy.get("rollingUpdate").report("FieldValueForbidden", "may not be specified when strategy `type` is 'Recreate'");
    }
    if (spec.get("paused").flag() === true) spec.get("paused").notModelled("a paused Deployment", "leave paused out");
  },
  complete: (object) => completeWorkload(object, { replicas: replicasOf(object) }),
};

export const replicaSet: Kind = {
  ...scaled,
  kind: "ReplicaSet",
  check: (object) => {
    checkWorkload(object, common, "ReplicaSet");
    object.get("spec", "replicas").number(0, maxInt);
  },
  complete: (object) => completeWorkload(object, { replicas: replicasOf(object) }),
};

export const replicationController: Kind = {
  kind: "ReplicationController",
  apiVersion: "v1",
  isNamespaced: true,
  name: dnsSubdomain,
  fields: ["spec"],
  check: (object) => {
    const spec = object.get("spec");
    if (!spec.require() || spec.object() === undefined) return;
    spec.known(["replicas", "selector", "template", "minReadySeconds"]);
    spec.get("replicas").number(0, maxInt);
    spec.get("minReadySeconds").number(0, maxInt);
    const template = spec.get("template");
    if (!template.require() || template.object() === undefined) return;
    const labels = checkTemplate(template, "ReplicationController");
    const selector = spec.get("selector");
    const wanted = selector.isPresent ? checkLabels(selector) : labels;
    if (Object.keys(wanted).length === 0)
      template.get("metadata", "labels").report("FieldValueRequired", "a ReplicationController picks its pods by them");
    else if (!selects({ matchLabels: wanted }, labels))
      template.get("metadata", "labels").report("FieldValueInvalid", "`selector` does not match template `labels`");
  },
  complete: (object) => {
    const template = isObject(object.spec) && isObject(object.spec.template) ? object.spec.template : {};
    const selector = isObject(object.spec) && isObject(object.spec.selector) ? object.spec.selector : undefined;
    const metadata = isObject(template.metadata) ? template.metadata : {};
    return completeWorkload(object, { replicas: replicasOf(object), selector: selector ?? metadata.labels });
  },
};

export const statefulSet: Kind = {
  ...scaled,
  kind: "StatefulSet",
  check: (object) => {
    const fields = [
      "serviceName",
      "volumeClaimTemplates",
      "podManagementPolicy",
      "updateStrategy",
      "persistentVolumeClaimRetentionPolicy",
      "ordinals",
    ];
    checkWorkload(object, [...common, ...fields], "StatefulSet");
    const spec = object.get("spec");
    spec.get("replicas").number(0, maxInt);
    spec.get("serviceName").matches((text) => (text === "" ? undefined : dnsSubdomain(text)));
    spec.get("podManagementPolicy").choice(["OrderedReady", "Parallel"]);
    const start = spec.get("ordinals", "start");
    if ((start.number(0, maxInt) ?? 0) > 0) start.notModelled("a StatefulSet that counts from another number than 0", "leave ordinals out");
  },
  complete: (object) => completeWorkload(object, { replicas: replicasOf(object) }),
};

export const daemonSet: Kind = {
  ...scaled,
  kind: "DaemonSet",
  check: (object) => {
    checkWorkload(
      object,
      ["selector", "template", "updateStrategy", "minReadySeconds", "revisionHistoryLimit", "templateGeneration"],
      "DaemonSet",
    );
    object.get("spec", "updateStrategy", "type").choice(["RollingUpdate", "OnDelete"]);
  },
  complete: (object) => completeWorkload(object, {}),
};

export const pod: Kind = {
  kind: "Pod",
  apiVersion: "v1",
  isNamespaced: true,
  name: dnsSubdomain,
  fields: ["spec"],
  check: (object) => {
    checkPodMetadata(object.get("metadata"));
    const spec = object.get("spec");
    if (spec.require()) checkPodSpec(spec);
    // Its name is its host name unless it has another: longer ones are cut by Kubernetes.
    const { value } = object.get("metadata", "name");
    const problem = typeof value === "string" && !value.includes(".") ? dnsLabel(value) : undefined;
    if (problem !== undefined) object.get("metadata", "name").report("FieldValueInvalid", problem, { severity: "warning" });
  },
  complete: (object) => ({ ...object, spec: completePodSpec(object.spec) }),
  // At rest it has ended, and nobody answers at its address.
  kept: (object) => {
    const policy = isObject(object.spec) ? object.spec.restartPolicy : undefined;
    const runsToEnd = policy === "Never" || policy === "OnFailure";
    return runsToEnd ? { why: "a pod that runs to its end: a lab is at rest after it", isLeftOut: true } : undefined;
  },
};
