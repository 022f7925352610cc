"use strict";

/* No validator: it would ask a server elsewhere about this one's document. */
SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#page",
    deepLinking: true,
    validatorUrl: null,
    defaultModelsExpandDepth: 0,
    displayOperationId: false,
    tryItOutEnabled: true
});
