import type { Session } from "../pass/types.ts";
import type { ImageReport } from "../report/image-report.ts";
import { findImage, generationOf } from "./image-source.ts";

/** Reads what the current generation of an image holds, and the one before it; undefined where there is none yet. */
export async function readImageReport(session: Session, given: string): Promise<ImageReport> {
  const { imageReport } = await import("../report/image-report.ts");
  const { readManifest } = await import("../pack/manifest.ts");
  const image = await findImage(session, given);
  const packed = (name: string) => {
    const source = generationOf(image, name);
    return { report: source.report, entries: readManifest(session.host.files, source.manifest) };
  };
  const hasEarlier = image.generations.some(({ generation }) => generation !== image.current);
  return imageReport(image.id, packed("current"), hasEarlier ? packed("previous") : undefined);
}
