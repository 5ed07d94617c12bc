// Swagger UI over this server's own OpenAPI document. `validatorUrl` is what it would send the document to.
window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
});
