/** What goes, and when. */

export type Retirement = { readonly date: string; readonly what: string; readonly source: string };

export const retirements = {
  kubenet: { date: "2028-03-31", what: "kubenet", source: "AKS issue 4859; aks:configure-kubenet.md" },
  policyManagerWindows: {
    date: "2026-09-30",
    what: "Azure Network Policy Manager on Windows nodes",
    source: "aks:use-network-policies.md",
  },
  policyManagerLinux: { date: "2028-09-30", what: "Azure Network Policy Manager on Linux nodes", source: "aks:use-network-policies.md" },
} as const satisfies Record<string, Retirement>;
