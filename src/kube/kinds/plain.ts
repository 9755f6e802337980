/** Kinds of which a lab needs little more than the name. */

import { cniConfigMap, cniNamespace, readCniConfig } from "../cni-config.ts";
import { type Field, isObject } from "../field.ts";
import { effectiveMasquerade, masqueradeNamespace, userMasqueradeMap } from "../ip-masq-agent.ts";
import { configKey, dnsLabel, dnsSubdomain } from "../names.ts";
import type { ConfigMap } from "../objects.ts";
import type { Kind } from "./kind.ts";

export const namespace: Kind = {
  kind: "Namespace",
  apiVersion: "v1",
  isNamespaced: false,
  name: dnsLabel,
  fields: ["spec"],
  check: () => undefined,
  complete: (object) => {
    const metadata = isObject(object.metadata) ? object.metadata : {};
    const labels = isObject(metadata.labels) ? metadata.labels : {};
    return { ...object, metadata: { ...metadata, labels: { ...labels, "kubernetes.io/metadata.name": metadata.name } } };
  },
};

export const serviceAccount: Kind = {
  kind: "ServiceAccount",
  apiVersion: "v1",
  isNamespaced: true,
  name: dnsSubdomain,
  fields: ["secrets", "imagePullSecrets", "automountServiceAccountToken"],
  check: () => undefined,
};

export const configMap: Kind = {
  kind: "ConfigMap",
  apiVersion: "v1",
  isNamespaced: true,
  name: dnsSubdomain,
  fields: ["data", "binaryData", "immutable"],
  check: (object) => {
    checkKeys(object.get("data"));
    checkKeys(object.get("binaryData"));
    const { value: name } = object.get("metadata", "name");
    const { value: namespaceName } = object.get("metadata", "namespace");
    if (name === userMasqueradeMap && namespaceName === masqueradeNamespace) checkMasquerade(object);
    if (name === cniConfigMap && namespaceName === cniNamespace) checkCniConfig(object);
  },
};

export const secret: Kind = {
  kind: "Secret",
  apiVersion: "v1",
  isNamespaced: true,
  name: dnsSubdomain,
  fields: ["data", "stringData", "immutable", "type"],
  check: (object) => {
    object.get("type").text();
    checkKeys(object.get("stringData"));
    for (const [, field] of checkKeys(object.get("data"))) {
      const text = typeof field.value === "string" ? field.value.replace(/\s/g, "") : "";
      if (/^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0) continue;
      field.report("FieldValueInvalid", "must be base64", { fix: "put plain text under stringData" });
    }
  },
};

function checkKeys(data: Field): readonly (readonly [string, Field])[] {
  const entries = data.entries();
  for (const [key, field] of entries) {
    const problem = configKey(key);
    if (problem !== undefined) field.report("FieldValueInvalid", problem);
    field.text();
  }
  return entries;
}

/** A map that ip-masq-agent would ignore is nothing that the API server refuses; but it is what someone wants to know. */
function checkMasquerade(object: Field): void {
  for (const { message } of effectiveMasquerade([configMapOf(object, userMasqueradeMap, masqueradeNamespace)]).problems) {
    object.get("data").report("FieldValueInvalid", `ip-masq-agent ignores this map: it ${message}`, {
      severity: "warning",
      source: "ip-masq-agent, cmd/ip-masq-agent/ip-masq-agent.go",
    });
  }
}

/** The API server takes any; the nodes would not. */
function checkCniConfig(object: Field): void {
  const { problem } = readCniConfig(configMapOf(object, cniConfigMap, cniNamespace));
  if (problem === undefined) return;
  const { code, message, fix } = problem;
  object.get("data").report(code, `the CNI configuration: ${message}`, {
    source: "https://www.cni.dev/docs/spec/; https://www.cni.dev/plugins/current/",
    ...(fix === undefined ? {} : { fix }),
  });
}

function configMapOf(object: Field, name: string, namespace: string): ConfigMap {
  const texts = object
    .get("data")
    .entries()
    .flatMap(([key, field]) => (typeof field.value === "string" ? [[key, field.value] as const] : []));
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data: Object.fromEntries(texts) };
}
