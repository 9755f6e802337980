import { expect, test } from "vitest";
import { runningContainers } from "./containers.ts";

const container = (name: string, more = {}) => ({ name, ...more });

test("sidecars run beside the containers; other init containers are gone by then", () => {
  const initContainers = [
    container("wait"),
    container("proxy", { restartPolicy: "Always" }),
    container("once", { restartPolicy: "Never" }),
  ];
  expect(runningContainers({ containers: [container("app")], initContainers }).map(({ name }) => name)).toEqual(["app", "proxy"]);
});

test("without any, the list is the same object", () => {
  const containers = [container("app")];
  expect(runningContainers({ containers })).toBe(containers);
});
