import type { PublishResource } from "../../core/resource.ts";
import type { Verdict } from "../artifact/verdict.ts";
import type { Published, PublishedFile } from "./current.ts";
import type { Version } from "./release.ts";

/** From what a published version was made. The same generation and version give the same bytes. */
export function provenanceOf(
  { name }: PublishResource,
  version: Version,
  report: Published,
  verdict: Verdict | undefined,
  files: readonly Pick<PublishedFile, "name" | "sha256" | "size_bytes">[],
): string {
  const { generation, revision, runId, createdAt, inputs, layers, manifestSha256, initramfs, tools = {} } = report;
  const check = verdict && { healthy: verdict.healthy, message: verdict.message, checkedAt: verdict.checkedAt };
  const facts = {
    version: 1,
    image: name,
    imageVersion: version.text,
    files: files.map((file) => ({ name: file.name, sha256: file.sha256, size_bytes: file.size_bytes })),
    build: { generation, revision, runId, createdAt, tools },
    inputs,
    layers,
    manifestSha256,
    initramfs,
    ...(check === undefined ? {} : { bootCheck: check }),
  };
  return `${JSON.stringify(facts, undefined, 2)}\n`;
}
