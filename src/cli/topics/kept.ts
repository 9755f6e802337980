import { Failure } from "../failure.ts";
import type { Topic } from "../show-topic.ts";
import { rows } from "./rows.ts";

export const kept: Topic = {
  name: "kept",
  summary: "objects of documents that change no packet's way, and why not: Jobs, Ingresses, roles, storage, custom resources, …",
  examples: [{ does: "of a lab file and the manifests that it names", type: "drydock show kept lab.yaml" }],
  show: ({ kept: list }) => {
    if (list === undefined) {
      throw new Failure("usage", "which documents?", { fix: "name the lab file: a running lab has only what changes a packet's way" });
    }
    return rows(
      list,
      {
        KIND: ({ kind }) => kind,
        NAME: ({ name }) => name,
        WHERE: ({ file, line }) => (line === undefined ? file : `${file}:${line}`),
        WHY: ({ why }) => why,
      },
      "every object of the documents may change a packet's way",
    );
  },
};
