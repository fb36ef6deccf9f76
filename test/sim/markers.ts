import type { FakeHost } from "../../src/host/fake/host.ts";
import { EXISTING, LOOP, volumePath } from "./site.ts";

/** Our own notes in volumes: whenever a process begins, each is whole or not there, whatever took the one before. */
export function checkMarkers({ outside: { files } }: FakeHost, report: (rule: string, what: string) => void): void {
  for (const volume of [EXISTING, ...["one", "two", LOOP].map(volumePath)]) {
    const own = `${volume}/.rootloom`;
    for (const folder of [own, `${own}/trees`])
      for (const name of files.list(folder) ?? []) {
        const path = `${folder}/${name}`;
        if (!name.startsWith(".") && name.endsWith(".json") && !isWhole(files.readText(path) ?? ""))
          report("marker", `${path} is torn`);
      }
  }
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
