#!/usr/bin/env node
// Written so that any Node can read it: an older one is told what is needed instead of stumbling over syntax.
var version = process.versions.node.split(".").map(Number)
if (version[0] < 22 || (version[0] === 22 && version[1] < 19)) {
  console.error("turnout needs Node 22.19 or newer, and this is " + process.version + " (" + process.execPath + ")")
  process.exit(1)
}
// A clone runs its sources, an installed package its build.
import("node:fs").then(function (fs) {
  var source = new URL("../runtime/main.ts", import.meta.url)
  return import(fs.existsSync(source) ? source.href : new URL("../dist/runtime/main.js", import.meta.url).href)
})
