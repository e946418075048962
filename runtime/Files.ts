/**
 * What commands say of files that cannot be read or written, and how folders are made.
 */
import { mkdirSync, statSync } from "node:fs"
import { dirname } from "node:path"

const causes: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "a part of its path is a file and not a folder",
  EEXIST: "there is a file of that name",
  EISDIR: "it is a directory",
  EACCES: "this process may not",
  EPERM: "this process may not",
  EROFS: "it can only be read there",
  ENOSPC: "the disk is full"
}

/** Why something could not be done with a file, in an author's words. */
export const causeOf = (error: unknown): string => {
  const { code = "", message } = error as NodeJS.ErrnoException
  return causes[code] ?? message
}

/**
 * Makes `folder` and what of its path is not there, and says whether it was not there. Not by Node's own `recursive`, which never ends where a folder is there and takes no
 * folders, as `/proc` does.
 */
export const makeFolder = (folder: string): boolean => {
  const stat = statSync(folder, { throwIfNoEntry: false })
  if (stat?.isDirectory() === true) return false
  const above = dirname(folder)
  if (stat === undefined && above !== folder) makeFolder(above)
  try {
    mkdirSync(folder)
    return true
  } catch (error) {
    // Somebody else has made it in between.
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return false
    throw error
  }
}
