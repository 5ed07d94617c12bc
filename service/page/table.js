// The joints of a frame as text.
import { html } from "./html.js";
import { said } from "./people.js";
import { spoken } from "./skeleton.js";

export function JointTable({ reply }) {
  if (!reply) return null;
  return html`
    <section class="joints">
      <h3>Joints</h3>
      <p>${said(reply)}</p>
      ${(reply.people ?? []).map((person) => html`<${Person} key=${person.track_id} person=${person} />`)}
    </section>`;
}

function Person({ person }) {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${`Joints of person ${person.track_id}`}>
    <table>
      <caption>Person ${person.track_id}, there with probability ${person.person_score.toFixed(2)} (${person.region_source})</caption>
      <thead><tr><th scope="col">Joint</th><th scope="col">x, px</th><th scope="col">y, px</th><th scope="col">Score</th></tr></thead>
      <tbody>
        ${person.joints.map((joint) => html`
          <tr><th scope="row">${spoken(joint.name)}</th><td>${joint.x.toFixed(1)}</td><td>${joint.y.toFixed(1)}</td><td>${joint.score.toFixed(2)}</td></tr>`)}
      </tbody>
    </table>
    </div>`;
}
