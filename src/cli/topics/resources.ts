import type { Resource } from "../../resources/resources.ts";
import type { Topic } from "../show-topic.ts";
import { rows } from "./rows.ts";

type Named = { readonly kind: string; readonly place: string; readonly name: string; readonly resource: Resource };

export const resources: Topic = {
  name: "resources",
  summary: "Azure resources and Kubernetes objects, those of the documents and those that Azure, AKS and Kubernetes make of them",
  argument: { usage: "[filter]", meaning: "only those whose type, kind or name contains this" },
  examples: [
    { does: "everything in the running lab", type: "drydock show resources" },
    { does: "the managed route tables as ARM JSON, of documents", type: "drydock show resources routeTables lab.yaml -o json" },
    { does: "all Services as YAML", type: "drydock show resources Service -o yaml" },
  ],
  show: ({ view, argument, cluster, namespace }) => {
    // A running lab also keeps the documents that it was made from: not a resource of anybody's.
    const buckets = view.resources.buckets().filter((bucket) => bucket !== "drydock.lab/documents");
    const all = buckets.flatMap((bucket) => view.resources.list(bucket).map((resource) => nameOf(bucket, resource)));
    const wanted = argument?.toLowerCase();
    const list = all.filter(
      ({ kind, place, name, resource }) =>
        (wanted === undefined || `${kind}/${name}`.toLowerCase().includes(wanted)) &&
        (cluster === undefined || place.split("/")[0] === cluster) &&
        (namespace === undefined || ("metadata" in resource && resource.metadata.namespace === namespace)),
    );
    return rows(
      list,
      { KIND: ({ kind }) => kind, IN: ({ place }) => place, NAME: ({ name }) => name },
      argument === undefined ? "the lab has no resources" : `no resource is called or is of a type like ${argument}`,
      ({ resource }) => resource,
    );
  },
};

function nameOf(bucket: string, resource: Resource): Named {
  if ("metadata" in resource) {
    const cluster = bucket.split("/")[2] ?? "";
    const { namespace, name } = resource.metadata;
    return { kind: resource.kind, place: namespace === undefined ? cluster : `${cluster}/${namespace}`, name, resource };
  }
  const parts = resource.id.split("/");
  return {
    kind: resource.type,
    place: parts[4] ?? "",
    name: parts
      .slice(8)
      .filter((_, index) => index % 2 === 0)
      .join("/"),
    resource,
  };
}
