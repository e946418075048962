// What the organisation lays over every team's policy. It does not know their targets; it speaks of what these are.
import { organisation, usd } from "turnout"

export default organisation({
  name: "acme",
  guards: ({ any, caller, request }) => [
    { name: "no-routers", forbid: { vendors: ["router"] } },
    { name: "eu-only", when: any(caller.organisation.or("").is("acme-eu"), request.needs.files), require: { regions: ["eu"] } }
  ],
  budgets: { company: { per: "organisation", limit: usd(5_000), every: "month" } }
})
