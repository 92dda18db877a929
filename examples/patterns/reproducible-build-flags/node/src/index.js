console.log("built for", process.env.NODE_ENV);
