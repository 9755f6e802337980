import { describe, expect, test } from "vitest";
import { answersAt, answersOf, parseAnswers, statusAt } from "./answers.ts";
import type { Pod } from "./objects.ts";
import { failingReadiness } from "./readiness.ts";

describe("what an annotation says", () => {
  test.each([
    ["/=404", [{ path: "/", status: 404 }]],
    [
      "/=404  /healthz=200\n8080/api/*=503",
      [
        { path: "/", status: 404 },
        { path: "/healthz", status: 200 },
        { port: 8080, path: "/api/*", status: 503 },
      ],
    ],
    ["*=401", [{ path: "*", status: 401 }]],
    ["80*=302", [{ port: 80, path: "*", status: 302 }]],
  ])("%j", (text, answers) => expect(parseAnswers(text)).toEqual({ answers }));

  test.each([
    ["", "it says nothing"],
    ["404", '"404" is not PATH=STATUS'],
    ["/=ok", '"/=ok" is not PATH=STATUS'],
    ["/a*b=404", '"/a*b=404" is not PATH=STATUS'],
    ["/=100", '"/=100": a status is 200 to 599'],
    ["0/=404", '"0/=404": a port is 1 to 65535'],
  ])("%j is wrong", (text, problem) => expect(parseAnswers(text)).toEqual({ problem }));
});

test("the first path that fits decides, on its port; a query is no part of it", () => {
  const answers = answersOf({ annotations: { "drydock.dev/answers": "8080/=500 /=404 /api/v1=200 /api/*=503" } });
  const on = (port: number) => (path: string) => statusAt(answersAt(answers, port), path);
  expect(["/", "/?x=1", "/healthz", "/api", "/api/", "/api/v1", "/api/v2/x"].map(on(80))).toEqual([
    404,
    404,
    undefined,
    undefined,
    503,
    200,
    503,
  ]);
  expect(on(8080)("/")).toBe(500);
});

describe("a readiness probe", () => {
  const pod = (answers: string | undefined, httpGet: object, ports: object[] = [{ name: "http", containerPort: 8080 }]): Pod =>
    ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", ...(answers === undefined ? {} : { annotations: { "drydock.dev/answers": answers } }) },
      spec: { containers: [{ name: "c", ports, readinessProbe: { httpGet } }] },
    }) as unknown as Pod;

  test.each([
    ["404 at its path", "/ready=404", { path: "/ready", port: "http" }, { port: 8080, path: "/ready", secure: false, status: 404 }],
    [
      "a path without a slash, HTTPS",
      "/ready=500",
      { path: "ready", port: 8080, scheme: "HTTPS" },
      { port: 8080, path: "/ready", secure: true, status: 500 },
    ],
    ["no path: the root", "/=401", { port: 8080 }, { port: 8080, path: "/", secure: false, status: 401 }],
    ["a redirect counts", "/=302", { port: 8080 }, undefined],
    ["another path", "/=404", { path: "/ready", port: 8080 }, undefined],
    ["a port that nothing listens on", "/=404", { port: 9090 }, undefined],
    ["nothing is said", undefined, { port: 8080 }, undefined],
  ])("%s", (_, answers, httpGet, failing) => expect(failingReadiness(pod(answers, httpGet))).toEqual(failing));
});
