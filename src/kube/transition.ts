/** Fields that the API server does not let one change (k8s, pkg/apis/apps/validation, pkg/apis/core/validation, Validate…Update). */

import type { FieldProblem } from "./field.ts";
import { isObject } from "./field.ts";
import type { KubeObject } from "./objects.ts";

/** By kind; `why` is what to do instead. */
const immutable: readonly { readonly kinds: readonly string[]; readonly path: readonly string[]; readonly fix: string }[] = [
  {
    kinds: ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"],
    path: ["spec", "selector"],
    fix: "delete the object (take it out of the manifest and apply), then add it anew; or give the new one another name",
  },
  { kinds: ["StatefulSet"], path: ["spec", "serviceName"], fix: "delete the StatefulSet, then add it anew" },
  { kinds: ["StatefulSet"], path: ["spec", "volumeClaimTemplates"], fix: "delete the StatefulSet, then add it anew" },
  { kinds: ["Pod"], path: ["spec", "containers"], fix: "delete the pod, then add it anew; or use a Deployment" },
  { kinds: ["Pod"], path: ["spec", "hostNetwork"], fix: "delete the pod, then add it anew" },
];

export function refusedChanges(before: KubeObject, after: KubeObject): readonly FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const { kinds, path, fix } of immutable) {
    if (!kinds.includes(after.kind)) continue;
    const [old, wanted] = [before, after].map((object) => withoutImages(at(object, path)));
    if (canonical(old) === canonical(wanted)) continue;
    problems.push({
      reason: "FieldValueInvalid",
      severity: "error",
      path,
      message: "field is immutable",
      source: `k8s, validation of ${after.kind}`,
      fix,
    });
  }
  if ((after.kind === "ConfigMap" || after.kind === "Secret") && at(before, ["immutable"]) === true) {
    const changed = ["data", "binaryData", "stringData", "immutable"].find(
      (name) => canonical(at(before, [name])) !== canonical(at(after, [name])),
    );
    if (changed !== undefined) {
      problems.push({
        reason: "FieldValueForbidden",
        severity: "error",
        path: [changed],
        message: "field is immutable when `immutable` is set",
        source: `k8s, validation of ${after.kind}`,
        fix: `delete the ${after.kind}, then add it anew; or give the new one another name`,
      });
    }
  }
  if (after.kind === "Service") {
    const [old, wanted] = [at(before, ["spec", "clusterIP"]), at(after, ["spec", "clusterIP"])];
    // A document that leaves it out keeps the one that there is.
    if (typeof old === "string" && old !== "" && wanted !== undefined && wanted !== old) {
      problems.push({
        reason: "FieldValueInvalid",
        severity: "error",
        path: ["spec", "clusterIP"],
        value: wanted,
        message: `field is immutable: the Service has ${old}`,
        source: "k8s, validation of Service",
        fix: "delete the Service, then add it anew; or leave clusterIP out",
      });
    }
  }
  return problems;
}

function at(object: unknown, path: readonly string[]): unknown {
  let value = object;
  for (const name of path) value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return value;
}

/** An image may be changed in a running pod; nothing else about its containers may. */
function withoutImages(value: unknown): unknown {
  return Array.isArray(value) ? value.map((item) => (isObject(item) && "image" in item ? { ...item, image: "" } : item)) : value;
}

/** JSON with sorted keys. An absent list is an empty one. */
function canonical(value: unknown): string {
  if (value === undefined) return "[]";
  return JSON.stringify(value, (_key, child: unknown) =>
    isObject(child) ? Object.fromEntries(Object.entries(child).sort(([a], [b]) => (a < b ? -1 : 1))) : child,
  );
}
