// Redoc over this server's own OpenAPI document, with the fonts that the reader has.
const sans = "system-ui, sans-serif";
const theme = { typography: { fontFamily: sans, headings: { fontFamily: sans }, code: { fontFamily: "ui-monospace, monospace" } } };
window.Redoc.init("openapi.json", { theme, hideLogo: true }, document.getElementById("api"));
