/**
 * ARM deployment templates to Azure resources, as Resource Manager would read them; Bicep's compiled output is the same.
 *
 * Pure and bounded: nothing is fetched, no clock is read, hostile templates end in problems. What only Azure will know stays unknown
 * (`../azure/unknown.ts`), and it is for whoever needs the value to say so. What the resources mean is not decided here.
 */

import { subscriptionId } from "../../arm/names.ts";
import type { PlacedResource } from "../azure/placed.ts";
import type { Finding, Kept, Path } from "../problem.ts";
import type { Source } from "../tree.ts";
import { type Deployed, TemplateDeployment, type World } from "./deployment.ts";
import { Meter } from "./evaluate.ts";
import { fieldOf, textOf } from "./fields.ts";
import { kindOfSchema } from "./ids.ts";
import { type GivenParameters, type NamedParameter, namedParameter, parametersOfFile } from "./parameters.ts";
import { toPlain } from "./value.ts";

export { isParameterFile, isTemplate, type NamedParameter } from "./parameters.ts";

export type TemplateSettings = {
  readonly resourceGroup: string;
  readonly location: string;
  readonly subscriptionId?: string;
  /** The time of the deployment in ISO 8601: what utcNow() gives. Without it that is unknown. */
  readonly now?: string;
};

export type TemplateInput = {
  readonly source: Source;
  /** Values for its parameters: parameter files and values of a command, later ones before earlier ones. */
  readonly parameters: readonly (Source | NamedParameter)[];
};

export type TemplateOutput = {
  readonly name: string;
  readonly type: string /** `null` where only Azure will know. */;
  readonly value: unknown;
};

export type ExpandedTemplates = {
  readonly resources: readonly PlacedResource[];
  readonly outputs: readonly TemplateOutput[];
};

export type TemplateReader = {
  readonly report: (source: Source, path: Path, finding: Finding) => void;
  readonly keep: (kept: Kept) => void;
  /** A template beside another; `undefined` when there is none. */
  readonly linked: (path: string, source: Source) => Source | undefined;
};

/** Templates in the order in which they are deployed: a later one may refer to what an earlier one made. */
export function expandTemplates(
  templates: readonly TemplateInput[],
  settings: TemplateSettings,
  reader: TemplateReader,
): ExpandedTemplates {
  const resources = new Map<string, Deployed>();
  const world: World = { ...reader, report: reportOnce(reader), meter: new Meter(), now: settings.now, resources };
  const outputs: TemplateOutput[] = [];
  const declared = new Set(templates.flatMap(({ source }) => parameterNames(source)));
  for (const { source, parameters } of templates) {
    if (source.root.kind !== "map") continue;
    const node = { tree: source.root, path: [] };
    const kind = kindOfSchema(textOf(fieldOf(node, "$schema")));
    const deployment = new TemplateDeployment(world, {
      source,
      node,
      name: baseName(source.file),
      place: {
        kind,
        subscriptionId: settings.subscriptionId ?? subscriptionId,
        resourceGroup: kind === "resourceGroup" ? settings.resourceGroup : "",
        tenantId: subscriptionId,
        location: settings.location,
      },
      given: givenTo(source, given(parameters), declared),
      depth: 0,
    });
    deployment.run();
    for (const { name, type, value } of deployment.outputs()) outputs.push({ name, type, value: toPlain(value, () => null) });
  }
  return { resources: [...resources.values()].flatMap(({ placed }) => (placed === undefined ? [] : [placed])), outputs };
}

/** Problems of templates at most; a loop repeats its own. */
const mostProblems = 200;

function reportOnce({ report }: TemplateReader): TemplateReader["report"] {
  const seen = new Set<string>();
  return (source, path, finding) => {
    const key = `${source.file}\0${path.join("\0")}\0${finding.message}`;
    if (seen.size >= mostProblems || seen.has(key)) return;
    seen.add(key);
    report(source, path, finding);
  };
}

function given(parameters: TemplateInput["parameters"]): GivenParameters {
  return new Map(
    parameters.flatMap((one) => {
      if ("root" in one) return [...parametersOfFile(one)];
      const named = namedParameter(one);
      return [[named.name.toLowerCase(), named] as const];
    }),
  );
}

/** Without those that another of the templates declares, and this one does not. */
function givenTo(source: Source, parameters: GivenParameters, declared: ReadonlySet<string>): GivenParameters {
  const own = new Set(parameterNames(source));
  return new Map([...parameters].filter(([name]) => own.has(name) || !declared.has(name)));
}

/** In lower case. */
function parameterNames({ root }: Source): readonly string[] {
  const declared = root.kind === "map" ? fieldOf({ tree: root, path: [] }, "parameters")?.tree : undefined;
  return declared?.kind === "map" ? [...declared.entries.keys()].map((name) => name.toLowerCase()) : [];
}

/** As `az deployment` names a deployment: after the template's file. */
function baseName(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1).replace(/\.\w+$/, "");
}
