/**
 * What a limit is: a figure, the document that says it, and since when; with the figures that it was before, since Azure moves them.
 *
 * Tags of sources: `aks:F` is MicrosoftDocs/azure-aks-docs, articles/aks/F; `azdocs:P` is MicrosoftDocs/azure-docs, path P; `chg:D` is the release
 * of date D in Azure/AKS, CHANGELOG.md; `sup:F` is MicrosoftDocs/SupportArticles-docs, support/azure/azure-kubernetes/F; `sdk` is npm
 * `@azure/arm-containerservice` 25.3.0; `cli` is Azure/azure-cli, the acs module. All read on {@link limitsRead} unless a date stands beside them.
 *
 * `lesson` is the service of about 2019, `current` today's: the lab file chooses with `rules`.
 */

export type RuleSet = "current" | "lesson";

/** When the documents were read that name no date of their own. */
export const limitsRead = "2026-08-21";

/** The day of `rules: lesson`. */
const lessonDay = "2019-06-30";

/** The day whose figures a rule set means. */
export function dayOf(rules: RuleSet): string {
  return rules === "lesson" ? lessonDay : limitsRead;
}

export type Figure = {
  readonly value: number;
  readonly source: string;
  /** The day from which it holds (`2024-03-17`); absent: for as long as anybody knows. */
  readonly since?: string;
};

/** As it is now, and what it was: oldest first. */
export type Limit = Figure & { readonly before?: readonly Figure[] };

export type Range = { readonly min: number; readonly max: number; readonly source: string };

/** The figure that held on a day (`2026-11-23`); without one, today's. */
export function limitAt(limit: Limit, asOf?: string): Figure {
  const { before = [], ...now } = limit;
  if (asOf === undefined) return now;
  const figures = [...before, now];
  return figures.findLast(({ since }) => since === undefined || since <= asOf) ?? figures[0] ?? now;
}

export const planning = "aks:concepts-network-ip-address-planning.md";
export const serviceLimits = "azdocs:includes/container-service-limits.md";
export const networkLimits = "azdocs:includes/azure-virtual-network-limits.md (2022-12-05)";
export const poolApi = "learn:rest/api/aks/agent-pools/create-or-update";
