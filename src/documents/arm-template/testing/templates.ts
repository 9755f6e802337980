/** Templates as tests write them, and what comes of them. */

import { located } from "../../manifests.ts";
import { formatPath, type Kept, type Problem } from "../../problem.ts";
import { parseSources, type Source } from "../../tree.ts";
import { expandTemplates, type NamedParameter, type TemplateSettings } from "../index.ts";

export type Expanded = {
  readonly problems: readonly Problem[];
  readonly kept: readonly Kept[];
  readonly outputs: Readonly<Record<string, unknown>>;
  /** By id, without the resource group's. */
  readonly resources: Readonly<Record<string, unknown>>;
  readonly places: Readonly<Record<string, string>>;
};

const settings: TemplateSettings = { resourceGroup: "rg", location: "northeurope", subscriptionId: "11111111-1111-1111-1111-111111111111" };

export type Given = {
  readonly parameters?: readonly NamedParameter[];
  readonly parameterFile?: unknown;
  readonly linked?: Readonly<Record<string, unknown>>;
  readonly settings?: Partial<TemplateSettings>;
};

/** `template`: JSON text, or what becomes one with a template's envelope. */
export function expanded(template: string | Readonly<Record<string, unknown>>, given: Given = {}): Expanded {
  const problems: Problem[] = [];
  const kept: Kept[] = [];
  const read = (path: string, value: unknown): Source | undefined =>
    parseSources({ path, text: typeof value === "string" ? value : JSON.stringify(value, null, 2) }, (problem) =>
      problems.push(problem),
    )[0];
  const source = read("main.json", typeof template === "string" ? template : { $schema: schema, contentVersion: "1.0.0.0", ...template });
  if (source === undefined) return { problems, kept, outputs: {}, resources: {}, places: {} };
  const file = given.parameterFile === undefined ? undefined : read("parameters.json", given.parameterFile);
  const { resources, outputs } = expandTemplates(
    [{ source, parameters: [...(file === undefined ? [] : [file]), ...(given.parameters ?? [])] }],
    { ...settings, ...given.settings },
    {
      report: (from, path, finding) => problems.push(located(from, path, finding)),
      keep: (one) => kept.push(one),
      linked: (path) => (given.linked !== undefined && Object.hasOwn(given.linked, path) ? read(path, given.linked[path]) : undefined),
    },
  );
  const short = (id: string) => id.replace(/^\/subscriptions\/1{8}-1{4}-1{4}-1{4}-1{12}\/resourceGroups\/rg\/providers\//, "");
  return {
    problems,
    kept,
    outputs: Object.fromEntries(outputs.map(({ name, value }) => [name, value])),
    resources: Object.fromEntries(resources.map(({ id, properties }) => [short(id), properties])),
    places: Object.fromEntries(resources.map(({ id, at }) => [short(id), formatPath(at([]))])),
  };
}

const schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";

/** One expression, as the value of an output that is called result. */
export function evaluated(text: string): Expanded {
  return expanded(`{
  "$schema": "${schema}",
  "contentVersion": "1.0.0.0",
  "parameters": { "given": { "type": "string", "defaultValue": "given" } },
  "resources": [],
  "outputs": { "result": { "type": "object",
    "value": ${JSON.stringify(text)} } }
}`);
}
