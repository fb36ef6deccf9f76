import type { BootCheck } from "../core/resource.ts";
import type { Booted } from "./guest.ts";

/**
 * Whether a guest is well, and what it did: completes "in its boot check it ...". One whose kernel complained of its
 * initramfs is not, whatever it printed: it ran on what was left of it. Of a guest that is not well, no times are told: the
 * same fault has the same words.
 */
export function judge(
  end: Booted["end"],
  complaint: string | undefined,
  { expect, timeout_s }: Pick<BootCheck, "expect" | "timeout_s">,
  duration_ms: number,
): { readonly healthy: boolean; readonly message: string } {
  const said = complaint === undefined ? "" : ` (${complaint.replace(/^\[ *[\d.]+\] /, "")})`;
  if (end === "seen" && complaint === undefined)
    return { healthy: true, message: `printed "${expect}" after ${(duration_ms / 1000).toFixed(1)} s` };
  if (end === "seen")
    return { healthy: false, message: `printed "${expect}", but its kernel complained before${said}` };
  const what =
    end === "late" ? `did not print "${expect}" within ${timeout_s} s` : `ended without printing "${expect}"`;
  return { healthy: false, message: `${what}${said}` };
}
