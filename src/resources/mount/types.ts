type Typed = { readonly type: string };

export function isBind({ type }: Typed): boolean {
  return type === "bind" || type === "rbind";
}

/** True for a file that is mounted through a loop device. */
export function isImageFile({ type }: Typed): boolean {
  return type === "squashfs" || type === "erofs";
}
