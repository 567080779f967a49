// Shows the OpenAPI document. A page of its own, so that the Content-Security-Policy needs no exception.
const place = document.getElementById("docs");

SwaggerUIBundle({
    url: place.dataset.document,
    domNode: place,
    deepLinking: true,
    presets: [SwaggerUIBundle.presets.apis],
    validatorUrl: null,
});
