// The page to try the API: Swagger UI on the document that the monitor makes of its code.
"use strict";

const place = document.getElementById("swagger");
SwaggerUIBundle({
  url: place.dataset.address,
  domNode: place,
  deepLinking: false,
  validatorUrl: null,
  // Each answer shows its own shape.
  defaultModelsExpandDepth: -1,
});
