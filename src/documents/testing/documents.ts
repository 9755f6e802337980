/** Loads documents given as text, and says what came of it in one line per problem. */

import { type DocumentFile, formatProblem, type LoadedLab, loadLab } from "../index.ts";

export type Texts = Readonly<Record<string, string>>;

/** `lab` is `lab.yaml`; `others` are the files that it may name. */
export function load(lab: string, others: Texts = {}): LoadedLab {
  return loadFiles([{ path: "lab.yaml", text: lab }], others);
}

export function loadFiles(files: readonly DocumentFile[], others: Texts = {}): LoadedLab {
  const read = (path: string) => (others[path] === undefined ? undefined : { path, text: others[path] });
  const list = (folder: string) => {
    const prefix = folder === "." ? "" : `${folder.replace(/\/$/, "")}/`;
    const names = Object.keys(others).flatMap((path) =>
      path.startsWith(prefix) && !path.slice(prefix.length).includes("/") ? [path.slice(prefix.length)] : [],
    );
    return names.length === 0 ? undefined : names;
  };
  return loadLab(files, read, list);
}

/** `4:12 error InvalidParameter clusters[0].podCidr`. */
export function brief({ problems }: LoadedLab): string[] {
  return problems.map(({ line, column, severity, code, path }) => `${line}:${column} ${severity} ${code} ${path}`);
}

export function printed({ problems }: LoadedLab): string {
  return problems.map(formatProblem).join("\n");
}

/** A lab with one kubenet cluster and this manifest. */
export function loadManifest(manifest: string, cluster = ""): LoadedLab {
  const lab = `lab: test
networks: [{ name: v, addressSpace: [10.240.0.0/16], subnets: [{ name: s, prefix: 10.240.0.0/24 }] }]
clusters: [{ name: c, networkPlugin: kubenet, subnet: v/s, manifests: [m.yaml]${cluster} }]
`;
  return load(lab, { "m.yaml": manifest });
}
