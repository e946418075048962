import { env, policy } from "turnout"

// A new model for one caller in twenty, and only as long as it keeps up: nobody changes sides within a conversation, the core team goes first, and who gets the new model and sees it fail gets the old one.
export default policy({
  name: "canary",
  metadata: ["conversation"],
  providers: { anthropic: { dialect: "anthropic", key: env("ANTHROPIC_API_KEY") } },
  targets: {
    stable: { provider: "anthropic", model: "claude-sonnet-4-5", maxOutputTokens: 16_384 },
    next: { provider: "anthropic", model: "claude-sonnet-5", maxOutputTokens: 16_384 }
  },
  classes: { app: { may: ["stable", "next"] } },
  keys: {
    core: { secret: env("CORE_KEY"), class: "app", team: "core" },
    shop: { secret: env("SHOP_KEY"), class: "app", team: "shop" },
    desk: { secret: env("DESK_KEY"), class: "app", team: "desk" }
  },
  routes: ({ any, caller, first, health, not, request, split }) => [
    // The switch that needs nobody awake.
    { name: "paused", when: any(not(health("next").up), health("next").latencyMillis.or(0).gt(4_000)), to: "stable" },
    { name: "core-team", when: caller.team.or("none").is("core"), to: first("next", "stable") },
    {
      name: "default",
      to: first(split({ by: request.metadata("conversation").or("none"), salt: "sonnet-5" }, { stable: 95, next: 5 }), "stable")
    }
  ]
})
